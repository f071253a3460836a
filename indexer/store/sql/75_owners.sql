-- One row an address whose owner is known; one that is nobody else's is not in it.
CREATE VIEW owners AS SELECT * FROM owners_at(NULL, NULL);
