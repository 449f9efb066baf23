"""What continuous integration shows of a change: one report, and the formats that GitHub, GitLab and others read."""
