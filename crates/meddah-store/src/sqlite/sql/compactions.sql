SELECT compactions FROM upkeep;
