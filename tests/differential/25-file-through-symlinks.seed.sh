# An absolute link, and one that climbs above the root.
ln -s ../../../../srv "$1/up"
