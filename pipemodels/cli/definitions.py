"""`pipemodels apply`: definitions from files."""
