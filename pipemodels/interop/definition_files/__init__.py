"""How definition files are read, one entry at a time, and compared with what is stored."""
