"""What administrators look after: people, sites, mails, jobs, and whether the program is well."""
