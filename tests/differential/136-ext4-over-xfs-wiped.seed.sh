mkfs.xfs -q -L then "$2"
