"""The commands: the module `<name>` defines `command` of `isheep <name>`."""
