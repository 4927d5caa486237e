mkfs.xfs -q "$2"
