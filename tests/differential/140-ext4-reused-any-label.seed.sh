mkdir "$1/content"
echo kept >"$1/content/file"
mke2fs -q -t ext4 -L KEEP -U aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee -d "$1/content" "$2"
rm -r "$1/content"
