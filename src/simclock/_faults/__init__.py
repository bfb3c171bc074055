"""What goes wrong in a run, by plan or by choice: at places of the program, to hosts and links."""
