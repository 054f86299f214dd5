"""Long work of operators. RQ brings it to a process; the ledger says what is to be done, and how far it has come."""
