"""One module a subject. Handlers name the query and the shape of its rows, and nothing else."""
