mkdir "$1/h"
echo x >"$1/h/a"
ln "$1/h/a" "$1/h/b"
