# A root that has the two files that everyone has, and nothing else.
rm "$1/etc/shadow" "$1/etc/gshadow" "$1/etc/login.defs" "$1/etc/default/useradd"
