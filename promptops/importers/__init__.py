"""Result files of other tools -> the cases and rows of evidence. Named fields are read, and no file is kept."""
