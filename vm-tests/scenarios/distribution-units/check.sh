same "the config of opt/com.coreos/config" coreos cat /sysroot/etc/from-fw-cfg
# What is proven: each stage ran and ended well though its last word is empty.
units=/usr/lib/systemd/system
same "units end in the variable" 7 sh -c "cat $units/ignition-*.service | grep -c ' \${IGNITION_ARGS}\$'"
fails "the variable is set nowhere" grep -r 'IGNITION_ARGS=' /run/ignition.env /etc/systemd $units
for stage in fetch-offline kargs disks mount files; do
    same "$stage" success systemctl show --property=Result --value "ignition-$stage.service"
    same "$stage is done" active systemctl is-active "ignition-$stage.service"
done
same "platform" "PLATFORM_ID=qemu" cat /run/ignition.env
