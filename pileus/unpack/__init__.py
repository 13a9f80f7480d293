"""The unpack hop: the wanted members of archives, as streams of bytes."""
