"""Accounting shared by forks. Pure. A family is born with its second member or with the certainty of one."""
