# As an image may ship it.
mkdir -m 0755 "$1/home/core"
echo mine >"$1/home/core/file"
chown -R 1700:100 "$1/home/core"
