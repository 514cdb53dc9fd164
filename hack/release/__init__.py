"""`make release`: the files of a release, what is in them, and how they were made.

One module makes one kind of file: `source` checks the checkout, `packages` makes wheel, chart and
CRD bundle, `images` the image archives, `sboms` the lists of packages, `checksums` the list of
digests, and `provenance` the statement about the build and its signature. `verify` checks all of it
on the user's machine.
"""
