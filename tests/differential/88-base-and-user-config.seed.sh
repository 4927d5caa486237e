# Base configs are merged in the order of their names, a user config of the system comes before the platform's.
mkdir -p "$IGNITION_SYSTEM_CONFIG_DIR/base.d" "$IGNITION_SYSTEM_LOCAL_CONFIG_DIR/base.d" "$IGNITION_SYSTEM_CONFIG_DIR/base.platform.d/file"
cd "$IGNITION_SYSTEM_CONFIG_DIR"
config() { # PATH CONTENT
    echo '{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"'"$1"'","contents":{"source":"data:,'"$2"'"}}]}}'
}
config /etc/one usr-20 >base.d/20-x.ign
config /etc/one usr-10 >base.d/10-x.ign
config /etc/hidden usr >base.d/30-same-name.ign
config /etc/shown etc >"$IGNITION_SYSTEM_LOCAL_CONFIG_DIR/base.d/30-same-name.ign"
config /etc/for-platform file >base.platform.d/file/a.ign
config /etc/user usr >user.ign
