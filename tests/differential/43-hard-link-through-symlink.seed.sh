echo x >"$1/run/target"
