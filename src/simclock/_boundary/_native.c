/* The redirection: the only C in the project.
 *
 * A built-in function or method descriptor points to a PyMethodDef.  Writing
 * another function into its ml_meth redirects every Python caller at once,
 * whenever and however the caller got hold of the built-in.  Each redirected
 * definition has a *slot* here, with one trampoline for each calling
 * convention.  A trampoline asks whether the calling thread is simulated: if
 * not, the original runs; if so, a short C answer where there is one, else the
 * Python replacement, run "in the kernel".
 *
 * The other half is what a kernel written in Python cannot do by itself: wait
 * for the baton without running signal handlers, hand the baton over from a
 * thread whose Python state is already gone, and switch all of it off in a
 * forked child before Python's own fork handlers run.
 *
 * Every function here runs with the GIL held unless its comment says otherwise;
 * the GIL is what guards the static data.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#if PY_VERSION_HEX < 0x030A0000
#error "simclock needs CPython 3.10 or later"
#endif
#ifdef Py_GIL_DISABLED
#error "simclock does not support free-threaded builds: it relies on the GIL"
#endif
#if PY_VERSION_HEX >= 0x030D0000
#define CURRENT_STATE() PyThreadState_GetUnchecked()
#else
#define CURRENT_STATE() _PyThreadState_UncheckedGet()
#endif

/* Frames the kernel may use beyond a user's recursion limit: a RecursionError
 * raised half-way through a decision would leave it half made. */
#define HEADROOM 200

static void
give_headroom(PyThreadState *state, int frames)
{
#if PY_VERSION_HEX >= 0x030E0000
    state->py_recursion_remaining += frames;
#elif PY_VERSION_HEX >= 0x030C0000
    state->py_recursion_remaining += frames;
    state->c_recursion_remaining += frames;
#elif PY_VERSION_HEX >= 0x030B0000
    state->recursion_remaining += frames;
#else
    state->recursion_depth -= frames;
#endif
}

/* ---- World: what the fast paths must know of one simulation ------------- */

typedef struct {
    PyObject_HEAD
    long long now_ns;     /* the virtual monotonic clock */
    long long wall_ns;    /* add to now_ns for the virtual wall clock */
    long long skew_ns;    /* add to now_ns for what the current process' monotonic clocks show */
    long long host_ns;    /* add to the wall clock for that of the current process' host */
    long long drift_ppb;  /* what the host's wall clock gains in a billion seconds ... */
    long long drift_from_ns; /* ... since this instant */
    long long reads_left; /* clock reads before one must park; refilled by the kernel */
    long long step_ns;    /* virtual time that a step without a wait takes */
    long long steps_left; /* uncontended steps before the kernel must look */
    int in_process;       /* the running thread belongs to a simulated process */
    int interested;       /* the strategy wants to see every checkpoint */
    PyObject *waiting;    /* dict: id(resource) -> waits parked on it */
    PyObject *hot;        /* dict: those of its keys whose resource may be free */
    PyObject *exit_hook;  /* called by a thread that has ended; returns the next baton */
    PyObject *read_hook;  /* called by a wall clock read that must park */
} World;

static PyMemberDef world_members[] = {
    {"now_ns", T_LONGLONG, offsetof(World, now_ns), 0, "virtual monotonic clock, nanoseconds"},
    {"wall_ns", T_LONGLONG, offsetof(World, wall_ns), 0, "wall clock minus monotonic clock"},
    {"skew_ns", T_LONGLONG, offsetof(World, skew_ns), 0, "the process' monotonic clocks minus now_ns"},
    {"host_ns", T_LONGLONG, offsetof(World, host_ns), 0, "the host's wall clock minus the wall clock"},
    {"drift_ppb", T_LONGLONG, offsetof(World, drift_ppb), 0, "nanoseconds that the host's gains a second"},
    {"drift_from_ns", T_LONGLONG, offsetof(World, drift_from_ns), 0, "instant since when it drifts"},
    {"reads_left", T_LONGLONG, offsetof(World, reads_left), 0, "clock reads before one parks"},
    {"step_ns", T_LONGLONG, offsetof(World, step_ns), 0, "virtual time that a step takes"},
    {"steps_left", T_LONGLONG, offsetof(World, steps_left), 0, "fast steps before a checkpoint"},
    {"in_process", T_INT, offsetof(World, in_process), 0, "a simulated process has the baton"},
    {"interested", T_INT, offsetof(World, interested), 0, "every checkpoint goes to Python"},
    {"waiting", T_OBJECT, offsetof(World, waiting), 0, "resources that somebody waits for"},
    {"hot", T_OBJECT, offsetof(World, hot), 0, "those among them that may be free"},
    {"exit_hook", T_OBJECT, offsetof(World, exit_hook), 0, "chooses who runs after a thread"},
    {"read_hook", T_OBJECT, offsetof(World, read_hook), 0, "parks a thread that keeps reading"},
    {NULL},
};

static int
world_traverse(World *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->waiting);
    Py_VISIT(self->hot);
    Py_VISIT(self->exit_hook);
    Py_VISIT(self->read_hook);
    return 0;
}

static int
world_clear(World *self)
{
    Py_CLEAR(self->waiting);
    Py_CLEAR(self->hot);
    Py_CLEAR(self->exit_hook);
    Py_CLEAR(self->read_hook);
    return 0;
}

static void
world_dealloc(World *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    world_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot world_slots[] = {
    {Py_tp_doc, "What the fast paths know of one simulation."},
    {Py_tp_members, world_members},
    {Py_tp_traverse, world_traverse},
    {Py_tp_clear, world_clear},
    {Py_tp_dealloc, world_dealloc},
    {0, NULL},
};
static PyType_Spec world_spec = {"simclock._boundary._native.World", sizeof(World), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, world_slots};

/* ---- Baton: the C half of a simulated thread ---------------------------- */

typedef struct Carrier {
    PyThread_type_lock lock; /* released once for every turn of its thread */
    unsigned long ident;
    size_t stack_size;
    sigset_t mask;           /* what its job begins with blocked: as its starter had it */
    struct BatonObject *job; /* strong; set before the first release */
    struct Carrier *next;    /* in the list of idle carriers */
} Carrier;

typedef struct BatonObject {
    PyObject_HEAD
    World *world;
    PyThread_type_lock lock; /* released by whoever hands over; its own or its carrier's */
    Carrier *carrier;        /* NULL for the thread that opened the simulation */
    PyThreadState *state;    /* the one thread state that counts as simulated */
    int in_kernel;           /* kernel code is on this thread's stack */
    int is_main;             /* the main thread of the process: must not miss signals */
    long serial;             /* names this thread in the table of lock owners */
    struct BatonObject *outer; /* the baton this OS thread had before, when nested */
    World *before;           /* whose threads were simulated when this was opened; borrowed */
    PyObject *function, *args, *kwargs;
} Baton;

static PyTypeObject *baton_type;
static __thread Baton *current; /* borrowed: an open baton is kept by its simulation */
static World *active;           /* borrowed: of the innermost simulation */
static long next_serial = 1;
static int forks; /* counts forks of which this process is the child */

static PyMemberDef baton_members[] = {
    {"serial", T_LONG, offsetof(Baton, serial), READONLY, "key in the table of lock owners"},
    {"in_kernel", T_INT, offsetof(Baton, in_kernel), READONLY, "is inside a kernel call"},
    {NULL},
};

static int
baton_traverse(Baton *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)self->world);
    Py_VISIT(self->function);
    Py_VISIT(self->args);
    Py_VISIT(self->kwargs);
    return 0;
}

static int
baton_clear(Baton *self)
{
    Py_CLEAR(self->function);
    Py_CLEAR(self->args);
    Py_CLEAR(self->kwargs);
    Py_CLEAR(self->world);
    return 0;
}

static void
baton_dealloc(Baton *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    baton_clear(self);
    if (self->carrier == NULL && self->lock != NULL)
        PyThread_free_lock(self->lock);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
baton_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    World *world;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs))
        return PyErr_Format(PyExc_TypeError, "Baton() takes no keyword arguments");
    if (!PyArg_ParseTuple(args, "O", &world))
        return NULL;
    Baton *self = (Baton *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(world);
    self->world = world;
    self->serial = next_serial++;
    return (PyObject *)self;
}

/* The calling thread's baton if a redirected call made now is a simulated one.
 * Not so from a tracer, from a sub-interpreter, from anything that the kernel's
 * own frames set off, or from a thread that its simulation had to leave behind. */
static inline Baton *
simulated(void)
{
    Baton *baton = current;
    if (baton == NULL || baton->in_kernel || baton->world != active)
        return NULL;
    PyThreadState *state = CURRENT_STATE();
    return baton->state == state && !state->tracing ? baton : NULL;
}

/* ---- signals: kept until their thread may run them ---------------------- */

static uint64_t deferred; /* signals whose handlers wait for the main thread's turn */
static int interrupts;    /* Ctrl-C since the last one that was delivered */
static int kick_fd = -1;  /* ends a wait of the idle kernel; written by anybody */
static long foreign_steps; /* what foreign threads did to locks and queues */

static void
kick(void)
{
    if (kick_fd >= 0) {
        uint64_t one = 1;
        ssize_t written = write(kick_fd, &one, sizeof one);
        (void)written; /* full: then a kick is pending already */
    }
}

/* Make Python call the handlers again that were put off in the kernel. */
static void
raise_deferred(void)
{
    uint64_t signals = deferred;
    deferred = 0;
    if (interrupts > 0 && signals >> 2 & 1)
        interrupts--; /* it is counted again if it is put off again */
    for (int signum = 1; signals >> signum && signum < 64; signum++)
        if (signals >> signum & 1)
            PyErr_SetInterruptEx(signum);
}

static PyObject *
py_defer(PyObject *module, PyObject *arg)
{
    long signum = PyLong_AsLong(arg);
    if (signum == -1 && PyErr_Occurred())
        return NULL;
    deferred |= (uint64_t)1 << (signum & 63);
    if (signum == 2)
        interrupts++;
    kick();
    Py_RETURN_NONE;
}

static PyObject *
py_wanted(PyObject *module, PyObject *unused)
{
    return PyBool_FromLong(deferred != 0);
}

/* Enter and leave the kernel.  Leaving never raises by itself: an exception
 * out of a completed acquire would lose the lock, so signals are tripped again
 * and their handlers run at the caller's next bytecode, as without us. */
static inline void
enter_kernel(Baton *baton)
{
    give_headroom(baton->state, HEADROOM);
    baton->in_kernel = 1;
}

static inline void
leave_kernel(Baton *baton)
{
    baton->in_kernel = 0;
    give_headroom(baton->state, -HEADROOM);
    if (deferred && baton->is_main)
        raise_deferred();
}

static PyObject *
py_call_user(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Baton *baton = current;
    if (count < 1)
        return PyErr_Format(PyExc_TypeError, "call_user() needs a function");
    if (baton == NULL || !baton->in_kernel)
        return PyObject_Vectorcall(args[0], args + 1, count - 1, NULL);
    baton->in_kernel = 0;
    give_headroom(baton->state, -HEADROOM);
    PyObject *result = PyObject_Vectorcall(args[0], args + 1, count - 1, NULL);
    enter_kernel(baton);
    return result;
}

static PyObject *
py_check_signals(PyObject *module, PyObject *unused)
{
    Baton *baton = current;
    interrupts = 0;
    raise_deferred();
    if (baton == NULL || !baton->in_kernel)
        return PyErr_CheckSignals() ? NULL : Py_NewRef(Py_None);
    baton->in_kernel = 0;
    give_headroom(baton->state, -HEADROOM);
    int failed = PyErr_CheckSignals();
    enter_kernel(baton);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* ---- owners of plain locks ---------------------------------------------- */

/* Open addressing, keyed by the lock's address.  An RLock names its owner
 * itself; a plain lock does not, and a deadlock report and the rule for locks
 * owned by foreign threads need to know. */
typedef struct { void *lock; long serial; } Owner;
static Owner *owners;
static size_t owner_mask, owner_count;

static inline size_t
owner_home(void *lock)
{
    return (size_t)(((uintptr_t)lock >> 4) * 0x9E3779B97F4A7C15ull >> 20) & owner_mask;
}

static void owner_set(void *lock, long serial);

static int
owner_grow(void)
{
    size_t old_size = owners ? owner_mask + 1 : 0;
    Owner *old = owners, *fresh = PyMem_RawCalloc(old_size ? old_size * 2 : 256, sizeof(Owner));
    if (fresh == NULL)
        return -1; /* the owner stays unknown: only a report gets poorer */
    owners = fresh;
    owner_mask = (old_size ? old_size * 2 : 256) - 1;
    owner_count = 0;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].lock)
            owner_set(old[i].lock, old[i].serial);
    PyMem_RawFree(old);
    return 0;
}

static void
owner_set(void *lock, long serial)
{
    if ((owners == NULL || owner_count * 2 > owner_mask) && owner_grow() < 0)
        return;
    size_t i = owner_home(lock);
    while (owners[i].lock && owners[i].lock != lock)
        i = (i + 1) & owner_mask;
    owner_count += owners[i].lock == NULL;
    owners[i] = (Owner){lock, serial};
}

static void
owner_forget(void *lock)
{
    if (owners == NULL)
        return;
    size_t i = owner_home(lock);
    while (owners[i].lock && owners[i].lock != lock)
        i = (i + 1) & owner_mask;
    if (owners[i].lock == NULL)
        return;
    owner_count--;
    /* Shift back what was displaced, so that look-ups may stop at a gap. */
    for (size_t j = (i + 1) & owner_mask; owners[j].lock; j = (j + 1) & owner_mask) {
        size_t home = owner_home(owners[j].lock);
        if (((j - home) & owner_mask) >= ((j - i) & owner_mask)) {
            owners[i] = owners[j];
            i = j;
        }
    }
    owners[i].lock = NULL;
}

static void
owner_forget_all(void)
{
    PyMem_RawFree(owners);
    owners = NULL;
    owner_mask = owner_count = 0;
}

static PyObject *
py_owner(PyObject *module, PyObject *lock)
{
    long serial = 0;
    if (owners != NULL)
        for (size_t i = owner_home(lock); owners[i].lock; i = (i + 1) & owner_mask)
            if (owners[i].lock == lock)
                serial = owners[i].serial;
    return PyLong_FromLong(serial);
}

static PyObject *
py_own(PyObject *module, PyObject *lock)
{
    if (current != NULL)
        owner_set(lock, current->serial);
    Py_RETURN_NONE;
}

static PyObject *
py_disown(PyObject *module, PyObject *lock)
{
    owner_forget(lock);
    Py_RETURN_NONE;
}

/* ---- slots --------------------------------------------------------------- */

enum Kind { PLAIN, CLOCK, CLOCK_NS, ACQUIRE, RELEASE, RLOCK_ACQUIRE, RLOCK_RELEASE, PUT, STEP, OWN, KINDS };
enum { NOARGS, VARARGS, KEYWORDS, FAST, FAST_KEYWORDS, METHOD, CONVENTIONS };
#define SLOTS 192
#define FOREIGN (-1)

typedef struct {
    PyMethodDef *target;  /* the definition that is redirected */
    PyMethodDef original; /* what it was: never freed, a foreign thread may be inside */
    PyCFunction over;     /* what somebody wrote over ours and was found at the last undo */
    PyObject *replacement; /* NULL: nobody wants it now, the slot is a pass-through */
    PyObject *raw; /* the original as an object of its own */
    int is_method, convention, kind;
} Slot;

static Slot slots[SLOTS];
static int slot_count, enabled;
static PyObject *claimant;   /* whose replacements these are: one import of simclock */
static PyObject *false_args; /* (False,) */

/* The calling thread's baton if a call that came to *slot* is to be simulated. */
static inline Baton *
answering(Slot *slot)
{
    Baton *baton = enabled && slot->replacement != NULL ? simulated() : NULL;
    /* What is only different in a simulated process costs nothing elsewhere. */
    return baton != NULL && slot->kind == OWN && !baton->world->in_process ? NULL : baton;
}

/* One read of the clock: what it shows, and the time that reading took. */
static long long
tick(World *world)
{
    return world->now_ns += world->step_ns;
}

/* What the wall clock of the current process' host shows at an instant. */
static long long
wall(World *world, long long now_ns)
{
    long long shown = now_ns + world->wall_ns + world->host_ns;
    if (world->drift_ppb)
        shown += (long long)((__int128)(now_ns - world->drift_from_ns) * world->drift_ppb / 1000000000);
    return shown;
}

/* The answer in C, or NULL without an exception where the kernel must decide. */
static PyObject *
fast_answer(Slot *slot, Baton *baton, PyObject *self)
{
    World *world = baton->world;
    PyCFunction original = slot->original.ml_meth;
    PyObject *result, *key = NULL;
    switch (slot->kind) {
    case CLOCK:
        return --world->reads_left < 0 ? NULL : PyFloat_FromDouble((double)(tick(world) + world->skew_ns) / 1e9);
    case CLOCK_NS:
        return --world->reads_left < 0 ? NULL : PyLong_FromLongLong(tick(world) + world->skew_ns);
    case PLAIN:
    case PUT:
    case OWN:
        return NULL;
    }
    if (world->interested || --world->steps_left < 0 || deferred)
        return NULL;
    switch (slot->kind) {
    case STEP:
        return slot->convention == NOARGS ? original(self, NULL) : NULL;
    case ACQUIRE:
    case RLOCK_ACQUIRE:
        if (slot->convention != KEYWORDS)
            return NULL;
        result = ((PyCFunctionWithKeywords)(void (*)(void))original)(self, false_args, NULL);
        if (result == Py_True) {
            if (slot->kind == ACQUIRE)
                owner_set(self, baton->serial);
            return result;
        }
        Py_XDECREF(result);
        return NULL;
    default: /* RELEASE, RLOCK_RELEASE */
        if (slot->convention > VARARGS)
            return NULL;
        if (PyDict_GET_SIZE(world->waiting)) {
            if ((key = PyLong_FromVoidPtr(self)) == NULL)
                return NULL;
            int waited = PyDict_Contains(world->waiting, key);
            if (waited <= 0)
                Py_CLEAR(key);
            if (waited < 0)
                return NULL;
        }
        result = original(self, slot->convention == NOARGS ? NULL : false_args);
        if (result && slot->kind == RELEASE)
            owner_forget(self);
        if (result && key && PyDict_SetItem(world->hot, key, Py_None) < 0)
            Py_CLEAR(result);
        Py_XDECREF(key);
        return result;
    }
}

/* Did the replacement fail before its first instruction, because it does not
 * take these arguments?  Then the original, which does not either, must say so. */
static int
never_entered(void)
{
    if (!PyErr_ExceptionMatches(PyExc_TypeError))
        return 0;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (traceback != NULL) {
        PyErr_Restore(type, value, traceback);
        return 0;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    return 1;
}

/* Call the replacement in the kernel with *count* arguments at args[1]; args[0]
 * is free, and receives self where the replacement wants it. */
static PyObject *
call_kernel(Slot *slot, Baton *baton, PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names)
{
    PyObject *replacement = slot->replacement;
    Py_INCREF(replacement);
    enter_kernel(baton);
    PyObject *result;
    if (slot->is_method) {
        args[0] = self;
        result = PyObject_Vectorcall(replacement, args, count + 1, names);
    }
    else
        result = PyObject_Vectorcall(replacement, args + 1, count | PY_VECTORCALL_ARGUMENTS_OFFSET, names);
    leave_kernel(baton);
    Py_DECREF(replacement);
    if (result == NULL && never_entered())
        return PyObject_Vectorcall(slot->raw, slot->is_method ? args : args + 1, count + slot->is_method, names);
    return result;
}

static PyObject *
simulate(Slot *slot, Baton *baton, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    if (count == 0 && names == NULL) {
        PyObject *result = fast_answer(slot, baton, self);
        if (result != NULL || PyErr_Occurred())
            return result;
    }
    Py_ssize_t total = count + (names ? PyTuple_GET_SIZE(names) : 0);
    PyObject *few[8], **stack = few;
    if (total > 7 && (stack = PyMem_Malloc((total + 1) * sizeof *stack)) == NULL)
        return PyErr_NoMemory();
    if (total)
        memcpy(stack + 1, args, total * sizeof *stack);
    PyObject *result = call_kernel(slot, baton, self, stack, count, names);
    if (stack != few)
        PyMem_Free(stack);
    return result;
}

/* What must be noted when a thread that is not simulated was let through. */
static PyObject *
let_through(Slot *slot, PyObject *self, PyObject *result)
{
    if (result == NULL || !enabled || (current != NULL && current->in_kernel))
        return result;
    if (slot->kind == ACQUIRE && result == Py_True)
        owner_set(self, FOREIGN);
    else if (slot->kind == RELEASE)
        owner_forget(self);
    foreign_steps++;
    if (slot->kind == RELEASE || slot->kind == RLOCK_RELEASE || slot->kind == PUT)
        kick();
    return result;
}

static PyObject *
via_noargs(Slot *slot, PyObject *self, PyObject *arg)
{
    Baton *baton = answering(slot);
    if (baton == NULL)
        return let_through(slot, self, slot->original.ml_meth(self, arg));
    return simulate(slot, baton, self, &arg, arg != NULL, NULL); /* METH_O too */
}

static PyObject *
via_varargs(Slot *slot, PyObject *self, PyObject *args)
{
    Baton *baton = answering(slot);
    if (baton == NULL)
        return let_through(slot, self, slot->original.ml_meth(self, args));
    /* __exit__(type, value, traceback) of a lock ignores what it is given. */
    Py_ssize_t count = slot->kind == RELEASE || slot->kind == RLOCK_RELEASE ? 0 : PyTuple_GET_SIZE(args);
    return simulate(slot, baton, self, &PyTuple_GET_ITEM(args, 0), count, NULL);
}

static PyObject *
via_keywords(Slot *slot, PyObject *self, PyObject *args, PyObject *kwargs)
{
    Baton *baton = answering(slot);
    if (baton == NULL) {
        PyCFunctionWithKeywords original = (PyCFunctionWithKeywords)(void (*)(void))slot->original.ml_meth;
        return let_through(slot, self, original(self, args, kwargs));
    }
    if (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0)
        return simulate(slot, baton, self, &PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args), NULL);
    PyObject *all = args, *replacement = Py_NewRef(slot->replacement);
    if (slot->is_method) {
        Py_ssize_t count = PyTuple_GET_SIZE(args);
        if ((all = PyTuple_New(count + 1)) == NULL) {
            Py_DECREF(replacement);
            return NULL;
        }
        PyTuple_SET_ITEM(all, 0, Py_NewRef(self));
        for (Py_ssize_t i = 0; i < count; i++)
            PyTuple_SET_ITEM(all, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
    }
    else
        Py_INCREF(all);
    enter_kernel(baton);
    PyObject *result = PyObject_Call(replacement, all, kwargs);
    leave_kernel(baton);
    Py_DECREF(replacement);
    if (result == NULL && never_entered())
        result = PyObject_Call(slot->raw, all, kwargs);
    Py_DECREF(all);
    return result;
}

static PyObject *
via_fast(Slot *slot, PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Baton *baton = answering(slot);
    if (baton == NULL) {
        PyObject *(*original)(PyObject *, PyObject *const *, Py_ssize_t) = (void *)slot->original.ml_meth;
        return let_through(slot, self, original(self, args, count));
    }
    return simulate(slot, baton, self, args, count, NULL);
}

static PyObject *
via_fast_keywords(Slot *slot, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Baton *baton = answering(slot);
    if (baton == NULL) {
        PyObject *(*original)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *) =
            (void *)slot->original.ml_meth;
        return let_through(slot, self, original(self, args, count, names));
    }
    return simulate(slot, baton, self, args, count, names);
}

static PyObject *
via_method(Slot *slot, PyObject *self, PyTypeObject *cls, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Baton *baton = answering(slot);
    if (baton == NULL) {
        PyCMethod original = (PyCMethod)(void (*)(void))slot->original.ml_meth;
        return let_through(slot, self, original(self, cls, args, count, names));
    }
    return simulate(slot, baton, self, args, count, names);
}

#define TRAMPOLINES(i) \
    static PyObject *n##i(PyObject *s, PyObject *a) { return via_noargs(&slots[i], s, a); } \
    static PyObject *v##i(PyObject *s, PyObject *a) { return via_varargs(&slots[i], s, a); } \
    static PyObject *k##i(PyObject *s, PyObject *a, PyObject *k) { return via_keywords(&slots[i], s, a, k); } \
    static PyObject *f##i(PyObject *s, PyObject *const *a, Py_ssize_t c) { return via_fast(&slots[i], s, a, c); } \
    static PyObject *g##i(PyObject *s, PyObject *const *a, Py_ssize_t c, PyObject *k) \
    { return via_fast_keywords(&slots[i], s, a, c, k); } \
    static PyObject *m##i(PyObject *s, PyTypeObject *t, PyObject *const *a, Py_ssize_t c, PyObject *k) \
    { return via_method(&slots[i], s, t, a, c, k); }
#define ROW(i) {(void *)n##i, (void *)v##i, (void *)k##i, (void *)f##i, (void *)g##i, (void *)m##i},
#define EIGHT(X, a) X(0##a##0) X(0##a##1) X(0##a##2) X(0##a##3) X(0##a##4) X(0##a##5) X(0##a##6) X(0##a##7)
#define SIXTYFOUR(X, a) EIGHT(X, a##0) EIGHT(X, a##1) EIGHT(X, a##2) EIGHT(X, a##3) \
    EIGHT(X, a##4) EIGHT(X, a##5) EIGHT(X, a##6) EIGHT(X, a##7)
/* Octal: 0000 to 0277 are the 192 slots. */
#define ALL(X) SIXTYFOUR(X, 0) SIXTYFOUR(X, 1) SIXTYFOUR(X, 2)
ALL(TRAMPOLINES)
static void *const trampolines[SLOTS][CONVENTIONS] = {ALL(ROW)};

static int
convention_of(PyMethodDef *definition)
{
    switch (definition->ml_flags & ~(METH_CLASS | METH_STATIC | METH_COEXIST)) {
    case METH_NOARGS:
    case METH_O: return NOARGS;
    case METH_VARARGS: return VARARGS;
    case METH_VARARGS | METH_KEYWORDS: return KEYWORDS;
    case METH_FASTCALL: return FAST;
    case METH_FASTCALL | METH_KEYWORDS: return FAST_KEYWORDS;
    case METH_METHOD | METH_FASTCALL | METH_KEYWORDS: return METHOD;
    default: return -1;
    }
}

/* Let the definition of a slot that somebody wants point to our trampoline. */
static void
write_in(int i)
{
    Slot *slot = &slots[i];
    PyCFunction ours = (PyCFunction)trampolines[i][slot->convention];
    PyCFunction found = slot->target->ml_meth;
    if (slot->replacement == NULL || found == ours || (slot->over && found == slot->over))
        return; /* unwanted, still there, or beneath the one that saved it */
    slot->original.ml_meth = found;
    slot->target->ml_meth = ours;
}

/* While a simulation is open, the built-in is redirected at once. */
static PyObject *
py_redirect(PyObject *module, PyObject *args)
{
    PyObject *builtin, *replacement;
    int kind;
    if (!PyArg_ParseTuple(args, "OOi", &builtin, &replacement, &kind))
        return NULL;
    Slot slot = {.kind = kind, .is_method = Py_TYPE(builtin) == &PyMethodDescr_Type};
    if (slot.is_method)
        slot.target = ((PyMethodDescrObject *)builtin)->d_method;
    else if (PyCFunction_Check(builtin))
        slot.target = ((PyCFunctionObject *)builtin)->m_ml;
    else
        return PyErr_Format(PyExc_TypeError, "cannot redirect %R: neither a built-in function nor a method descriptor",
                            builtin);
    slot.convention = convention_of(slot.target);
    if (slot.convention < 0 || kind < 0 || kind >= KINDS)
        return PyErr_Format(PyExc_TypeError, "cannot redirect %R: unknown calling convention 0x%x", builtin,
                            slot.target->ml_flags);
    for (int i = 0; i < slot_count; i++) {
        Slot *known = &slots[i];
        if (known->target != slot.target)
            continue;
        if (known->replacement != NULL && known->replacement != replacement)
            return PyErr_Format(PyExc_ValueError, "cannot redirect %R twice: it shares its definition", builtin);
        if (known->replacement == NULL)
            known->replacement = Py_NewRef(replacement); /* it was released */
        known->kind = kind;
        if (enabled)
            write_in(i);
        return Py_NewRef(known->raw);
    }
    if (slot_count == SLOTS)
        return PyErr_Format(PyExc_RuntimeError, "cannot redirect %R: all %d slots are taken", builtin, SLOTS);
    Slot *kept = &slots[slot_count];
    *kept = slot;
    kept->original = *slot.target;
    PyObject *raw = slot.is_method
        ? PyDescr_NewMethod(((PyDescrObject *)builtin)->d_type, &kept->original)
        : PyCFunction_NewEx(&kept->original, ((PyCFunctionObject *)builtin)->m_self,
                            ((PyCFunctionObject *)builtin)->m_module);
    if (raw == NULL)
        return NULL;
    kept->replacement = Py_NewRef(replacement);
    kept->raw = Py_NewRef(raw);
    slot_count++;
    if (enabled)
        write_in(slot_count - 1);
    return raw;
}

/* A slot itself is never given back: a foreign thread may be inside it. */
static PyObject *
py_release(PyObject *module, PyObject *raw)
{
    if (enabled)
        return PyErr_Format(PyExc_RuntimeError, "cannot release %R while a simulation is open", raw);
    for (int i = 0; i < slot_count; i++)
        if (slots[i].raw == raw) {
            Py_CLEAR(slots[i].replacement);
            Py_RETURN_NONE;
        }
    return PyErr_Format(PyExc_ValueError, "cannot release %R: it is not the original of a redirected built-in", raw);
}

/* The C module is loaded once in a process, but the Python around it may be
 * imported again (pytester forgets modules, and brings the old ones back).
 * Each import has replacements of its own, so whoever opens a simulation must
 * be the claimant, and redirects anew if it was not. */
static PyObject *
py_claim(PyObject *module, PyObject *owner)
{
    if (owner == claimant)
        Py_RETURN_FALSE;
    if (enabled)
        return PyErr_Format(PyExc_RuntimeError, "another import of simclock in this process has a simulation open");
    PyObject *former = claimant;
    claimant = Py_NewRef(owner);
    for (int i = 0; i < slot_count; i++)
        Py_CLEAR(slots[i].replacement);
    Py_XDECREF(former);
    Py_RETURN_TRUE;
}

static PyObject *
py_enable(PyObject *module, PyObject *unused)
{
    for (int i = 0; i < slot_count; i++)
        write_in(i);
    enabled = 1;
    Py_RETURN_NONE;
}

/* Needs no GIL in a forked child, where no other thread is left. */
static void
disable(void)
{
    if (!enabled)
        return; /* a child's simulation is closed after its fork did this already */
    enabled = 0;
    for (int i = 0; i < slot_count; i++) {
        Slot *slot = &slots[i];
        if (slot->target->ml_meth == (PyCFunction)trampolines[i][slot->convention]) {
            slot->target->ml_meth = slot->original.ml_meth;
            slot->over = NULL;
        }
        else if (slot->target->ml_meth == slot->original.ml_meth)
            slot->over = NULL; /* not written in, or put back by somebody else already */
        else
            /* Somebody wrote over ours and may put it back: stay, as a pass-through. */
            slot->over = slot->target->ml_meth;
    }
    if (kick_fd >= 0) {
        close(kick_fd);
        kick_fd = -1;
    }
    interrupts = 0;
}

static PyObject *
py_disable(PyObject *module, PyObject *unused)
{
    disable();
    owner_forget_all();
    raise_deferred();
    Py_RETURN_NONE;
}

static PyObject *
py_redirected(PyObject *module, PyObject *unused)
{
    PyObject *names = PyList_New(0);
    for (int i = 0; names && i < slot_count; i++)
        if (slots[i].target->ml_meth == (PyCFunction)trampolines[i][slots[i].convention]) {
            PyObject *name = PyUnicode_FromString(slots[i].original.ml_name);
            if (name == NULL || PyList_Append(names, name) < 0)
                Py_CLEAR(names);
            Py_XDECREF(name);
        }
    return names;
}

/* ---- handing the baton over ---------------------------------------------- */

/* Microseconds after which the main thread looks for signals while it waits:
 * one that came just before the wait, that another OS thread was given, or that
 * `interrupt_main` only noted does not end the wait by itself. */
#define SIGNAL_LOOK 50000

/* Without the GIL. */
static inline PyLockStatus
await_lock(Baton *baton)
{
    return PyThread_acquire_lock_timed(baton->lock, baton->is_main ? SIGNAL_LOOK : -1, baton->is_main);
}

/* Wait for the turn of *baton*; 1 if the user pressed Ctrl-C twice meanwhile.
 * Handlers that Python runs here only note their signal: all of them sit
 * behind the deferring one while a simulation is open. */
static int
wait_turn(Baton *baton)
{
    for (;;) {
        PyLockStatus status;
        Py_BEGIN_ALLOW_THREADS
        status = await_lock(baton);
        Py_END_ALLOW_THREADS
        if (status == PY_LOCK_ACQUIRED)
            return 0;
        if (PyErr_CheckSignals() < 0)
            PyErr_WriteUnraisable(NULL);
        if (interrupts >= 2)
            return 1;
    }
}

static PyObject *
py_switch(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || Py_TYPE(args[0]) != baton_type || Py_TYPE(args[1]) != baton_type)
        return PyErr_Format(PyExc_TypeError, "switch() takes two batons");
    Baton *mine = (Baton *)args[0], *next = (Baton *)args[1];
    PyThread_type_lock lock = next->lock;
    PyLockStatus status;
    Py_BEGIN_ALLOW_THREADS
    /* After dropping the GIL, or the other thread wakes only to wait for it. */
    PyThread_release_lock(lock);
    status = await_lock(mine);
    Py_END_ALLOW_THREADS
    if (status == PY_LOCK_ACQUIRED)
        Py_RETURN_FALSE;
    if (PyErr_CheckSignals() < 0)
        PyErr_WriteUnraisable(NULL);
    return PyBool_FromLong(interrupts >= 2 ? 1 : wait_turn(mine));
}

static PyObject *
py_wait_turn(PyObject *module, PyObject *arg)
{
    if (Py_TYPE(arg) != baton_type)
        return PyErr_Format(PyExc_TypeError, "wait_turn() takes a baton");
    return PyBool_FromLong(wait_turn((Baton *)arg));
}

/* Give a turn without taking one: for the watchdog, which has no baton. */
static PyObject *
py_give_turn(PyObject *module, PyObject *arg)
{
    if (Py_TYPE(arg) != baton_type)
        return PyErr_Format(PyExc_TypeError, "give_turn() takes a baton");
    PyThread_release_lock(((Baton *)arg)->lock);
    Py_RETURN_NONE;
}

#define WATCHED 256

/* Wait in real time, at most *seconds*, for a kick or for a descriptor; true if one came.

   Of more descriptors than WATCHED the rest is not watched: the caller looks again by and by. */
static PyObject *
py_wait_kick(PyObject *module, PyObject *args)
{
    double seconds;
    PyObject *wanted = NULL;
    if (!PyArg_ParseTuple(args, "d|O!", &seconds, &PyList_Type, &wanted))
        return NULL;
    if (kick_fd < 0 && (kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    struct pollfd watched[1 + WATCHED] = {{.fd = kick_fd, .events = POLLIN}};
    nfds_t all = 1;
    for (Py_ssize_t i = 0; wanted != NULL && i < PyList_GET_SIZE(wanted) && all <= WATCHED; i++, all++) {
        if (!PyArg_ParseTuple(PyList_GET_ITEM(wanted, i), "ih", &watched[all].fd, &watched[all].events))
            return NULL;
    }
    int count;
    Py_BEGIN_ALLOW_THREADS
    count = poll(watched, all, (int)(seconds * 1000));
    Py_END_ALLOW_THREADS
    if (PyErr_CheckSignals() < 0)
        return NULL;
    if (watched[0].revents) {
        uint64_t kicks;
        ssize_t got = read(kick_fd, &kicks, sizeof kicks);
        (void)got; /* empty: somebody else took it, and looks as we do */
    }
    return PyBool_FromLong(count > 0);
}

/* Whether a descriptor is as a poll mask says, or closed or broken. Never waits. */
static PyObject *
py_ready(PyObject *module, PyObject *args)
{
    struct pollfd asked = {.fd = -1};
    if (!PyArg_ParseTuple(args, "ih", &asked.fd, &asked.events))
        return NULL;
    return PyBool_FromLong(poll(&asked, 1, 0) > 0);
}

static PyObject *
py_foreign_steps(PyObject *module, PyObject *unused)
{
    return PyLong_FromLong(foreign_steps);
}

static PyObject *
py_kick(PyObject *module, PyObject *unused)
{
    kick();
    Py_RETURN_NONE;
}

/* ---- being simulated ------------------------------------------------------ */

static PyObject *
py_open(PyObject *module, PyObject *args)
{
    Baton *baton;
    int is_main;
    if (!PyArg_ParseTuple(args, "O!p", baton_type, &baton, &is_main))
        return NULL;
    if (baton->lock == NULL) {
        if ((baton->lock = PyThread_allocate_lock()) == NULL)
            return PyErr_NoMemory();
        PyThread_acquire_lock(baton->lock, WAIT_LOCK);
    }
    baton->is_main = is_main;
    baton->state = CURRENT_STATE();
    baton->outer = current;
    baton->before = active;
    current = baton;
    active = baton->world;
    Py_RETURN_NONE;
}

static PyObject *
py_close(PyObject *module, PyObject *unused)
{
    if (current != NULL) {
        active = current->before;
        current = current->outer;
    }
    Py_RETURN_NONE;
}

/* Leave the simulation for a while, the baton in hand, and come back. */
static PyObject *
py_leave(PyObject *module, PyObject *unused)
{
    current = NULL;
    Py_RETURN_NONE;
}

static PyObject *
py_resume(PyObject *module, PyObject *arg)
{
    if (Py_TYPE(arg) != baton_type)
        return PyErr_Format(PyExc_TypeError, "resume() takes a baton");
    current = (Baton *)arg;
    Py_RETURN_NONE;
}

/* Run a function with the calling thread in the kernel, from outside a slot. */
static PyObject *
py_call_kernel(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Baton *baton = simulated();
    if (count < 1)
        return PyErr_Format(PyExc_TypeError, "call_kernel() needs a function");
    if (baton == NULL)
        return PyObject_Vectorcall(args[0], args + 1, count - 1, NULL);
    enter_kernel(baton);
    PyObject *result = PyObject_Vectorcall(args[0], args + 1, count - 1, NULL);
    leave_kernel(baton);
    return result;
}

static PyObject *
py_current(PyObject *module, PyObject *unused)
{
    return Py_NewRef(current ? (PyObject *)current : Py_None);
}

static PyObject *
py_simulated(PyObject *module, PyObject *unused)
{
    return PyBool_FromLong(simulated() != NULL);
}

static PyObject *
py_wall_time_ns(PyObject *module, PyObject *unused)
{
    Baton *baton = simulated();
    if (baton != NULL) {
        World *world = baton->world;
        if (--world->reads_left < 0 && world->read_hook != NULL) {
            /* A busy wait on the wall clock must end as one on the monotonic clock does. */
            enter_kernel(baton);
            PyObject *result = PyObject_CallNoArgs(world->read_hook);
            leave_kernel(baton);
            if (result == NULL)
                return NULL;
            Py_DECREF(result);
        }
        return PyLong_FromLongLong(wall(world, tick(world)));
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return PyLong_FromLongLong(now.tv_sec * 1000000000LL + now.tv_nsec);
}

static PyObject *
py_raise_in(PyObject *module, PyObject *args)
{
    unsigned long ident;
    PyObject *exception;
    if (!PyArg_ParseTuple(args, "kO", &ident, &exception))
        return NULL;
    return PyLong_FromLong(PyThreadState_SetAsyncExc(ident, exception));
}

/* ---- carriers: OS threads that outlive the threads they carry -------------- */

#define IDLE_LIMIT 64
static Carrier *idle;
static long carrier_count, idle_count;

static void
run_job(Baton *baton)
{
    if (baton->function == NULL)
        return; /* cancelled before it ever ran */
    PyObject *result = PyObject_Call(baton->function, baton->args, baton->kwargs);
    if (result == NULL) {
        if (PyErr_ExceptionMatches(PyExc_SystemExit))
            PyErr_Clear();
        else {
#if PY_VERSION_HEX >= 0x030D0000
            PyErr_FormatUnraisable("Exception ignored in thread started by %R", baton->function);
#else
            _PyErr_WriteUnraisableMsg("in thread started by", baton->function);
#endif
        }
    }
    Py_XDECREF(result);
    Py_CLEAR(baton->function);
    Py_CLEAR(baton->args);
    Py_CLEAR(baton->kwargs);
}

/* Ask the kernel who runs next.  In a fresh thread state: the thread's own is
 * gone, with its thread-locals, whose destructors still ran under the baton. */
static PyThread_type_lock
choose_next(Baton *baton, int *retire)
{
    PyThread_type_lock next = NULL;
    PyGILState_STATE gil = PyGILState_Ensure();
    baton->state = CURRENT_STATE();
    baton->in_kernel = 1;
    PyObject *chosen = PyObject_CallOneArg(baton->world->exit_hook, (PyObject *)baton);
    if (chosen == NULL)
        PyErr_WriteUnraisable(baton->world->exit_hook);
    else if (Py_TYPE(chosen) == baton_type)
        next = ((Baton *)chosen)->lock;
    Py_XDECREF(chosen);
    current = NULL;
    baton->state = NULL;
    Carrier *carrier = baton->carrier;
    carrier->job = NULL;
    *retire = idle_count >= IDLE_LIMIT;
    if (*retire)
        carrier_count--;
    else {
        carrier->next = idle;
        idle = carrier;
        idle_count++;
    }
    Py_DECREF(baton);
    PyGILState_Release(gil);
    return next;
}

/* Block all signals.  Between two jobs a thread must not take one that the
 * program's own threads have blocked, for one of them to wait for. */
static sigset_t
block_signals(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    return before;
}

/* Without the GIL and without a thread state between two jobs. */
static void
carry(void *argument)
{
    Carrier *carrier = argument;
    int generation = forks;
    for (;;) {
        PyThread_acquire_lock(carrier->lock, WAIT_LOCK);
        pthread_sigmask(SIG_SETMASK, &carrier->mask, NULL);
        PyGILState_STATE gil = PyGILState_Ensure();
        Baton *baton = carrier->job;
        baton->state = CURRENT_STATE();
        current = baton;
        run_job(baton);
        PyGILState_Release(gil); /* clears the state: destructors run, simulated */
        if (forks != generation)
            return; /* the only thread of a forked child: the process ends with it */
        block_signals(); /* as it was started: before another thread runs */
        int retire;
        PyThread_type_lock next = choose_next(baton, &retire);
        if (next != NULL)
            PyThread_release_lock(next);
        if (retire) {
            PyThread_free_lock(carrier->lock);
            PyMem_RawFree(carrier);
            return;
        }
    }
}

static Carrier *
take_carrier(void)
{
    size_t stack_size = PyThread_get_stacksize();
    for (Carrier **link = &idle; *link; link = &(*link)->next)
        if ((*link)->stack_size == stack_size) {
            Carrier *found = *link;
            *link = found->next;
            idle_count--;
            return found;
        }
    Carrier *carrier = PyMem_RawCalloc(1, sizeof *carrier);
    if (carrier == NULL || (carrier->lock = PyThread_allocate_lock()) == NULL) {
        PyMem_RawFree(carrier);
        PyErr_NoMemory();
        return NULL;
    }
    PyThread_acquire_lock(carrier->lock, WAIT_LOCK);
    carrier->stack_size = stack_size;
    sigset_t before = block_signals();
    carrier->ident = PyThread_start_new_thread(carry, carrier);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (carrier->ident == PYTHREAD_INVALID_THREAD_ID) {
        PyThread_free_lock(carrier->lock);
        PyMem_RawFree(carrier);
        PyErr_SetString(PyExc_RuntimeError, "can't start new thread");
        return NULL;
    }
    carrier_count++;
    return carrier;
}

static PyObject *
py_start(PyObject *module, PyObject *args)
{
    Baton *baton;
    PyObject *function, *positional, *keywords;
    if (!PyArg_ParseTuple(args, "O!OO!O", baton_type, &baton, &function, &PyTuple_Type, &positional, &keywords))
        return NULL;
    Carrier *carrier = take_carrier();
    if (carrier == NULL)
        return NULL;
    Py_INCREF(function);
    Py_INCREF(positional);
    baton->function = function;
    baton->args = positional;
    baton->kwargs = keywords == Py_None ? NULL : Py_NewRef(keywords);
    pthread_sigmask(SIG_BLOCK, NULL, &carrier->mask);
    baton->carrier = carrier;
    baton->lock = carrier->lock;
    Py_INCREF(baton);
    carrier->job = baton;
    return PyLong_FromUnsignedLong(carrier->ident);
}

static PyObject *
py_cancel(PyObject *module, PyObject *arg)
{
    if (Py_TYPE(arg) != baton_type)
        return PyErr_Format(PyExc_TypeError, "cancel() takes a baton");
    Baton *baton = (Baton *)arg;
    Py_CLEAR(baton->function);
    Py_CLEAR(baton->args);
    Py_CLEAR(baton->kwargs);
    Py_RETURN_NONE;
}

static PyObject *
py_carriers(PyObject *module, PyObject *unused)
{
    return Py_BuildValue("ll", carrier_count, idle_count);
}

#if PY_VERSION_HEX >= 0x030D0000
/* Give the thread handle of a Thread that is being started the running handle
 * made for its carrier.  Both are objects with one pointer behind the header. */
static PyObject *
py_swap_handles(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    typedef struct { PyObject_HEAD void *handle; } Handle;
    if (count != 2 || Py_TYPE(args[0]) != Py_TYPE(args[1]) || Py_TYPE(args[0])->tp_basicsize != sizeof(Handle))
        return PyErr_Format(PyExc_TypeError, "swap_handles() takes two thread handles");
    void *handle = ((Handle *)args[0])->handle;
    ((Handle *)args[0])->handle = ((Handle *)args[1])->handle;
    ((Handle *)args[1])->handle = handle;
    Py_RETURN_NONE;
}
#endif

/* ---- fork ------------------------------------------------------------------ */

/* In the child, inside fork(): before Python's own handlers, which use locks. */
static void
in_child(void)
{
    if (enabled)
        disable();
    current = NULL;
    active = NULL;
    idle = NULL;
    idle_count = carrier_count = 0;
    deferred = 0;
    forks++;
}

static PyObject *
py_forks(PyObject *module, PyObject *unused)
{
    return PyLong_FromLong(forks);
}

/* ---- module ----------------------------------------------------------------- */

static PyType_Slot baton_slots[] = {
    {Py_tp_doc, "The C half of a simulated thread: its turn, its state, whether it is in the kernel."},
    {Py_tp_new, baton_new},
    {Py_tp_members, baton_members},
    {Py_tp_traverse, baton_traverse},
    {Py_tp_clear, baton_clear},
    {Py_tp_dealloc, baton_dealloc},
    {0, NULL},
};
static PyType_Spec baton_spec = {"simclock._boundary._native.Baton", sizeof(Baton), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, baton_slots};

static PyMethodDef methods[] = {
    {"redirect", py_redirect, METH_VARARGS, "redirect(builtin, replacement, kind) -> the original, callable"},
    {"release", py_release, METH_O, "release(original): let its built-in be what it was, until redirected again."},
    {"claim", py_claim, METH_O, "claim(owner) -> whether another owner's replacements were dropped."},
    {"enable", py_enable, METH_NOARGS, "Write all trampolines in."},
    {"disable", py_disable, METH_NOARGS, "Take out every trampoline that is still ours."},
    {"redirected", py_redirected, METH_NOARGS, "Names of the definitions that point to a trampoline now."},
    {"open", py_open, METH_VARARGS, "open(baton, is_main): the calling thread is simulated from now on."},
    {"close", py_close, METH_NOARGS, "The calling thread is what it was before open()."},
    {"leave", py_leave, METH_NOARGS, "The calling thread is foreign until resume()."},
    {"resume", py_resume, METH_O, "The calling thread is simulated again, with its baton."},
    {"current", py_current, METH_NOARGS, "The calling thread's baton or None."},
    {"simulated", py_simulated, METH_NOARGS, "Would a redirected call made now be a simulated one?"},
    {"switch", (PyCFunction)(void (*)(void))py_switch, METH_FASTCALL,
     "switch(mine, next): hand over and wait; True if aborted by a second Ctrl-C."},
    {"wait_turn", py_wait_turn, METH_O, "Wait for a baton's turn; True if aborted by a second Ctrl-C."},
    {"give_turn", py_give_turn, METH_O, "Give a baton its turn."},
    {"ready", py_ready, METH_VARARGS, "ready(fd, events) -> whether poll() tells of anything now."},
    {"wait_kick", py_wait_kick, METH_VARARGS, "wait_kick(seconds, [(fd, events)]) -> whether anything came."},
    {"foreign_steps", py_foreign_steps, METH_NOARGS, "Counts what foreign threads did to locks and queues."},
    {"kick", py_kick, METH_NOARGS, "End the idle kernel's wait in real time."},
    {"call_user", (PyCFunction)(void (*)(void))py_call_user, METH_FASTCALL,
     "call_user(function, *args): call as if from outside the kernel."},
    {"call_kernel", (PyCFunction)(void (*)(void))py_call_kernel, METH_FASTCALL,
     "call_kernel(function, *args): call as if from a redirected call."},
    {"check_signals", py_check_signals, METH_NOARGS, "Run the handlers that were put off, as user code."},
    {"defer", py_defer, METH_O, "Note a signal until the main thread may handle it."},
    {"wanted", py_wanted, METH_NOARGS, "Is there a signal that the main thread has to handle?"},
    {"owner", py_owner, METH_O, "Serial of a plain lock's owner, -1 if foreign, 0 if unknown."},
    {"own", py_own, METH_O, "Note the calling thread as a lock's owner."},
    {"disown", py_disown, METH_O, "Note that a lock has no owner."},
    {"wall_time_ns", py_wall_time_ns, METH_NOARGS, "The wall clock: virtual for simulated threads only."},
    {"raise_in", py_raise_in, METH_VARARGS, "raise_in(ident, exception): raise it there asynchronously."},
    {"start", py_start, METH_VARARGS, "start(baton, function, args, kwargs) -> ident; runs at its first turn."},
    {"cancel", py_cancel, METH_O, "Forget what a thread that never ran was to run."},
    {"carriers", py_carriers, METH_NOARGS, "(carriers alive, carriers idle)"},
#if PY_VERSION_HEX >= 0x030D0000
    {"swap_handles", (PyCFunction)(void (*)(void))py_swap_handles, METH_FASTCALL, "Exchange two thread handles."},
#endif
    {"forks", py_forks, METH_NOARGS, "How many forks lie between the first process and this one."},
    {NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_native", "Redirection of built-ins, and the baton.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit__native(void)
{
    PyObject *module = PyModule_Create(&module_definition);
    PyObject *world_type = module ? PyType_FromSpec(&world_spec) : NULL;
    if (world_type == NULL || PyModule_AddObject(module, "World", world_type) < 0)
        return NULL;
    baton_type = (PyTypeObject *)PyType_FromSpec(&baton_spec);
    if (baton_type == NULL || PyModule_AddObject(module, "Baton", Py_NewRef(baton_type)) < 0)
        return NULL;
    static const char *const kinds[] = {"PLAIN", "CLOCK", "CLOCK_NS", "ACQUIRE", "RELEASE",
                                        "RLOCK_ACQUIRE", "RLOCK_RELEASE", "PUT", "STEP", "OWN"};
    for (int kind = 0; kind < KINDS; kind++)
        if (PyModule_AddIntConstant(module, kinds[kind], kind) < 0)
            return NULL;
    if ((false_args = PyTuple_Pack(1, Py_False)) == NULL)
        return NULL;
    int failed = pthread_atfork(NULL, NULL, in_child);
    if (failed) {
        errno = failed;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return module;
}
