"""The cell: a process without credentials, network or rights, in which strangers' files are unpacked and opened.

    worker ── starts by exec, before it has credentials ──> fork server (`server`)
    worker ── a socket, and the fork server's fork ──────> child (`child`), confined (`confine`)

The worker asks for one job after the other and checks each answer (`results`, `guard`): it takes numbers, and bytes of
outputs, never objects. A child does the jobs of one collection only: a provider that breaks out of the reading code can
change nothing but the results of its own files. Where a child dies, one group fails, and the next gets a new child.
"""
