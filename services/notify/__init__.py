"""notify delivers what calls announce: signed, in order for each call, again and again until it is heard or buried."""
