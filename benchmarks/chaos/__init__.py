"""Breaking Kovra on purpose: real processes die, and the sandbox judges from outside what really happened.

``matrix``   every named point of death with every action; ``cells`` says which can occur
``ablation`` each guard of the protocol switched off: whoever takes one away is caught
``attack``   forged, spoiled and repeated entries straight into Redis; keys that change and keys that leak
``storm``    every fault at once, under a steady load
``redis``    Valkey goes away, and forgets everything again and again
``postgres`` PostgreSQL crashes in the middle of a burst
``live``     two hundred open streams while web processes, Valkey and PostgreSQL go away, and rights end
``pause``    a worker stands still while another works on
``discord``  Discord's limits, its distance, and up to half of its answers bad
``net``      each leg of the network cut, frozen, reset, slowed
``rolling``  every process restarted in turn
``expiry``   temporary bans that run out while nobody is there
``soak``     what a long time leaves behind: memory, files, entries

What they share:

``rig``      a warm Kovra with people and open pages, ways to break it, and the verdict
``weather``  how Discord can misbehave
``proxy``    how the network can misbehave
``load``     mixed actions at a steady rate, pressed again until they are answered
``judge``    the promises, checked against the database, the sandbox's counters and the open streams
``listeners`` open streams, some of them slow, that know how long each break lasted
``source``   an event stream that comes back, as a browser's does
``guards``   the guards, each with the trap that it alone keeps shut
``bare``     a bare Kovra in one process, from whose parts a guard can be left out
``forgeries`` what somebody who has Redis can put on a lane
``control``  the sandbox's control API
"""
