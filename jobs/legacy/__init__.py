"""The way in from the old shape: a table of campaigns whose numbers are columns, counted by whoever wrote them."""
