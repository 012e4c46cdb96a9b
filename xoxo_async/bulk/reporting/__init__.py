"""The report of a job: a page that people look at, print and pass on."""
