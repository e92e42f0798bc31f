"""One file a kind of result: it reads the result and returns a Section."""
