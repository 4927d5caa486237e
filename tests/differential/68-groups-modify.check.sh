grep -q "^docker:x:777:$" "$1/etc/group"
grep -qF 'users:$6$g$h:' "$1/etc/gshadow"
