"""What came of a run, for people and for programs: the report as data, JUnit, and one HTML file."""
