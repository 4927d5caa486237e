mkswap -q -L S -U aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee "$2"
