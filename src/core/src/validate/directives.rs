//! The names of systemd's settings and the sections that they belong to, up to systemd 258, with
//! the older spellings that it still takes.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::spelling::nearest_within;

/// systemd.unit(5), `[Unit]`
const UNIT: &str = "\
    After AllowIsolate AssertACPower AssertArchitecture AssertCPUFeature AssertCPUPressure \
    AssertCPUs AssertCapability AssertControlGroupController AssertCredential \
    AssertDirectoryNotEmpty AssertEnvironment AssertFileIsExecutable AssertFileNotEmpty \
    AssertFirmware AssertFirstBoot AssertGroup AssertHost AssertIOPressure \
    AssertKernelCommandLine AssertKernelModuleLoaded AssertKernelVersion AssertMemory \
    AssertMemoryPressure AssertNeedsUpdate AssertNull AssertOSRelease AssertPathExists \
    AssertPathExistsGlob AssertPathIsDirectory AssertPathIsEncrypted AssertPathIsMountPoint \
    AssertPathIsReadWrite AssertPathIsSocket AssertPathIsSymbolicLink AssertSecurity \
    AssertUser AssertVersion AssertVirtualization Before BindTo BindsTo CollectMode \
    ConditionACPower ConditionArchitecture ConditionCPUFeature ConditionCPUPressure \
    ConditionCPUs ConditionCapability ConditionControlGroupController ConditionCredential \
    ConditionDirectoryNotEmpty ConditionEnvironment ConditionFileIsExecutable \
    ConditionFileNotEmpty ConditionFirmware ConditionFirstBoot ConditionGroup ConditionHost \
    ConditionIOPressure ConditionKernelCommandLine ConditionKernelModuleLoaded \
    ConditionKernelVersion ConditionMemory ConditionMemoryPressure ConditionNeedsUpdate \
    ConditionNull ConditionOSRelease ConditionPathExists ConditionPathExistsGlob \
    ConditionPathIsDirectory ConditionPathIsEncrypted ConditionPathIsMountPoint \
    ConditionPathIsReadWrite ConditionPathIsSocket ConditionPathIsSymbolicLink \
    ConditionSecurity ConditionUser ConditionVersion ConditionVirtualization Conflicts \
    DefaultDependencies Description Documentation FailureAction FailureActionExitStatus \
    IgnoreOnIsolate IgnoreOnSnapshot JobRunningTimeoutSec JobTimeoutAction \
    JobTimeoutRebootArgument JobTimeoutSec JoinsNamespaceOf OnFailure OnFailureIsolate \
    OnFailureJobMode OnSuccess OnSuccessJobMode PartOf PropagateReloadFrom PropagateReloadTo \
    PropagatesReloadTo PropagatesStopTo RebootArgument RefuseManualStart RefuseManualStop \
    ReloadPropagatedFrom Requires RequiresMountsFor RequiresOverridable Requisite \
    RequisiteOverridable SourcePath StartLimitAction StartLimitBurst StartLimitInterval \
    StartLimitIntervalSec StopPropagatedFrom StopWhenUnneeded SuccessAction \
    SuccessActionExitStatus SurviveFinalKillSignal Upholds Wants WantsMountsFor";

/// systemd.unit(5), `[Install]`
const INSTALL: &str = "\
    Alias Also DefaultInstance RequiredBy UpheldBy WantedBy";

/// systemd.service(5)
const SERVICE: &str = "\
    BusName BusPolicy ExecCondition ExecReload ExecReloadPost ExecStart ExecStartPost \
    ExecStartPre ExecStop ExecStopPost ExitType FailureAction FileDescriptorStoreMax \
    FileDescriptorStorePreserve GuessMainPID NonBlocking NotifyAccess OOMPolicy OpenFile \
    PIDFile PermissionsStartOnly RebootArgument RefreshOnReload ReloadSignal RemainAfterExit \
    Restart RestartForceExitStatus RestartMaxDelaySec RestartMode RestartPreventExitStatus \
    RestartSec RestartSteps RootDirectoryStartOnly RuntimeMaxSec RuntimeRandomizedExtraSec \
    Sockets StartLimitAction StartLimitBurst StartLimitInterval SuccessExitStatus \
    SysVStartPriority TimeoutAbortSec TimeoutStartFailureMode TimeoutStartSec \
    TimeoutStopFailureMode TimeoutStopSec Type USBFunctionDescriptors USBFunctionStrings \
    WatchdogSec";

/// systemd.socket(5)
const SOCKET: &str = "\
    Accept AcceptFileDescriptors Backlog BindIPv6Only BindToDevice Broadcast DeferAcceptSec \
    DeferTrigger DeferTriggerMaxSec DirectoryMode ExecStartPost ExecStartPre ExecStopPost \
    ExecStopPre FileDescriptorName FlushPending FreeBind IPTOS IPTTL KeepAlive \
    KeepAliveIntervalSec KeepAliveProbes KeepAliveTimeSec ListenDatagram ListenFIFO \
    ListenMessageQueue ListenNetlink ListenSequentialPacket ListenSpecial ListenStream \
    ListenUSBFunction Mark MaxConnections MaxConnectionsPerSource MessageQueueMaxMessages \
    MessageQueueMessageSize NoDelay PassCredentials PassFileDescriptorsToExec PassPIDFD \
    PassPacketInfo PassSecurity PipeSize PollLimitBurst PollLimitIntervalSec Priority \
    ReceiveBuffer RemoveOnStop ReusePort SELinuxContextFromNet SendBuffer Service SmackLabel \
    SmackLabelIPIn SmackLabelIPOut SocketGroup SocketMode SocketProtocol SocketUser Symlinks \
    TCPCongestion Timestamping Transparent TriggerLimitBurst TriggerLimitIntervalSec Writable";

/// systemd.mount(5)
const MOUNT: &str = "\
    DirectoryMode ForceUnmount LazyUnmount Options ReadWriteOnly SloppyOptions Type What Where";

/// systemd.automount(5)
const AUTOMOUNT: &str = "\
    DirectoryMode ExtraOptions TimeoutIdleSec Where";

/// systemd.swap(5)
const SWAP: &str = "\
    Options Priority What";

/// systemd.path(5)
const PATH: &str = "\
    DirectoryMode DirectoryNotEmpty MakeDirectory PathChanged PathExists PathExistsGlob \
    PathModified TriggerLimitBurst TriggerLimitIntervalSec Unit";

/// systemd.timer(5)
const TIMER: &str = "\
    AccuracySec DeferReactivation FixedRandomDelay OnActiveSec OnBootSec OnCalendar \
    OnClockChange OnStartupSec OnTimezoneChange OnUnitActiveSec OnUnitInactiveSec Persistent \
    RandomizedDelaySec RandomizedOffsetSec RemainAfterElapse Unit WakeSystem";

/// systemd.scope(5)
const SCOPE: &str = "\
    OOMPolicy RuntimeMaxSec RuntimeRandomizedExtraSec TimeoutStopSec";

/// systemd.exec(5) and systemd.kill(5)
const EXEC: &str = "\
    AmbientCapabilities AppArmorProfile BPFDelegateAttachments BPFDelegateCommands \
    BPFDelegateMaps BPFDelegatePrograms BindPaths BindReadOnlyPaths CPUAffinity \
    CPUSchedulingPolicy CPUSchedulingPriority CPUSchedulingResetOnFork CacheDirectory \
    CacheDirectoryMode Capabilities CapabilityBoundingSet ConfigurationDirectory \
    ConfigurationDirectoryMode CoredumpFilter DelegateNamespaces DynamicUser Environment \
    EnvironmentFile ExecPaths ExecSearchPath ExtensionDirectories ExtensionImagePolicy \
    ExtensionImages FinalKillSignal Group IOSchedulingClass IOSchedulingPriority \
    IPCNamespacePath IgnoreSIGPIPE ImportCredential InaccessibleDirectories InaccessiblePaths \
    KeyringMode KillMode KillSignal LimitAS LimitCORE LimitCPU LimitDATA LimitFSIZE LimitLOCKS \
    LimitMEMLOCK LimitMSGQUEUE LimitNICE LimitNOFILE LimitNPROC LimitRSS LimitRTPRIO \
    LimitRTTIME LimitSIGPENDING LimitSTACK LoadCredential LoadCredentialEncrypted \
    LockPersonality LogExtraFields LogFilterPatterns LogLevelMax LogNamespace \
    LogRateLimitBurst LogRateLimitIntervalSec LogsDirectory LogsDirectoryMode \
    MemoryDenyWriteExecute MemoryKSM MountAPIVFS MountFlags MountImagePolicy MountImages \
    NUMAMask NUMAPolicy NetworkNamespacePath Nice NoExecPaths NoNewPrivileges OOMScoreAdjust \
    PAMName PassEnvironment Personality PrivateBPF PrivateDevices PrivateIPC PrivateMounts \
    PrivateNetwork PrivatePIDs PrivateTmp PrivateUsers ProcSubset ProtectClock \
    ProtectControlGroups ProtectHome ProtectHostname ProtectKernelLogs ProtectKernelModules \
    ProtectKernelTunables ProtectProc ProtectSystem ReadOnlyDirectories ReadOnlyPaths \
    ReadWriteDirectories ReadWritePaths RemoveIPC RestartKillSignal RestrictAddressFamilies \
    RestrictFileSystems RestrictNamespaces RestrictRealtime RestrictSUIDSGID RootDirectory \
    RootEphemeral RootHash RootHashSignature RootImage RootImageOptions RootImagePolicy \
    RootVerity RuntimeDirectory RuntimeDirectoryMode RuntimeDirectoryPreserve SELinuxContext \
    SecureBits SendSIGHUP SendSIGKILL SetCredential SetCredentialEncrypted SetLoginEnvironment \
    SmackProcessLabel StandardError StandardInput StandardInputData StandardInputText \
    StandardOutput StateDirectory StateDirectoryMode SupplementaryGroups SyslogFacility \
    SyslogIdentifier SyslogLevel SyslogLevelPrefix SystemCallArchitectures \
    SystemCallErrorNumber SystemCallFilter SystemCallLog TTYColumns TTYPath TTYReset TTYRows \
    TTYVHangup TTYVTDisallocate TemporaryFileSystem TimeoutCleanSec TimeoutSec TimerSlackNSec \
    UMask UnsetEnvironment User UserNamespacePath UtmpIdentifier UtmpMode WatchdogSignal \
    WorkingDirectory";

/// systemd.resource-control(5)
const CGROUP: &str = "\
    AllowedCPUs AllowedMemoryNodes BPFProgram BlockIOAccounting BlockIODeviceWeight \
    BlockIOReadBandwidth BlockIOWeight BlockIOWriteBandwidth CPUAccounting \
    CPUPressureThresholdSec CPUPressureWatch CPUQuota CPUQuotaPeriodSec CPUShares CPUWeight \
    ConcurrencyHardMax ConcurrencySoftMax CoredumpReceive DefaultMemoryLow DefaultMemoryMin \
    DefaultStartupMemoryLow Delegate DelegateSubgroup DeviceAllow DevicePolicy \
    DisableControllers IOAccounting IODeviceLatencyTargetSec IODeviceWeight \
    IOPressureThresholdSec IOPressureWatch IOReadBandwidthMax IOReadIOPSMax IOWeight \
    IOWriteBandwidthMax IOWriteIOPSMax IPAccounting IPAddressAllow IPAddressDeny \
    IPEgressFilterPath IPIngressFilterPath ManagedOOMMemoryPressure \
    ManagedOOMMemoryPressureDurationSec ManagedOOMMemoryPressureLimit ManagedOOMPreference \
    ManagedOOMSwap MemoryAccounting MemoryHigh MemoryLimit MemoryLow MemoryMax MemoryMin \
    MemoryPressureThresholdSec MemoryPressureWatch MemorySwapMax MemoryZSwapMax \
    MemoryZSwapWriteback NFTSet RestrictNetworkInterfaces Slice SocketBindAllow SocketBindDeny \
    StartupAllowedCPUs StartupAllowedMemoryNodes StartupBlockIOWeight StartupCPUShares \
    StartupCPUWeight StartupIOWeight StartupMemoryHigh StartupMemoryLow StartupMemoryMax \
    StartupMemorySwapMax StartupMemoryZSwapMax TasksAccounting TasksMax";

/// A section of unit files.
#[derive(Debug)]
struct Kind {
    /// Its name.
    section: &'static str,
    /// The kind of units it is for; empty where it is for all.
    unit: &'static str,
    /// Names of its settings.
    settings: &'static [&'static str],
}

const SECTIONS: &[Kind] = &[
    Kind {
        section: "Unit",
        unit: "",
        settings: &[UNIT],
    },
    Kind {
        section: "Install",
        unit: "",
        settings: &[INSTALL],
    },
    Kind {
        section: "Service",
        unit: "service",
        settings: &[SERVICE, EXEC, CGROUP],
    },
    Kind {
        section: "Socket",
        unit: "socket",
        settings: &[SOCKET, EXEC, CGROUP],
    },
    Kind {
        section: "Mount",
        unit: "mount",
        settings: &[MOUNT, EXEC, CGROUP],
    },
    Kind {
        section: "Automount",
        unit: "automount",
        settings: &[AUTOMOUNT],
    },
    Kind {
        section: "Swap",
        unit: "swap",
        settings: &[SWAP, EXEC, CGROUP],
    },
    Kind {
        section: "Path",
        unit: "path",
        settings: &[PATH],
    },
    Kind {
        section: "Timer",
        unit: "timer",
        settings: &[TIMER],
    },
    Kind {
        section: "Slice",
        unit: "slice",
        settings: &[CGROUP],
    },
    Kind {
        section: "Scope",
        unit: "scope",
        settings: &[SCOPE, EXEC, CGROUP],
    },
];

/// Name → the sections that know it, as indexes into [`SECTIONS`].
static KNOWN: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut known: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, kind) in SECTIONS.iter().enumerate() {
        for list in kind.settings {
            for name in list.split_ascii_whitespace() {
                known.entry(name).or_default().push(index);
            }
        }
    }
    known
});

/// Sections that systemd reads in units of a kind, such as `service`.
pub(super) fn sections_of(unit: &str) -> Vec<&'static str> {
    let fits = |kind: &&Kind| kind.unit.is_empty() || kind.unit == unit;
    SECTIONS
        .iter()
        .filter(fits)
        .map(|kind| kind.section)
        .collect()
}

/// The kind of units that a section is for; `None` for an unknown section and for those of all units.
pub(super) fn unit_of(section: &str) -> Option<&'static str> {
    let found = SECTIONS.iter().find(|kind| kind.section == section)?;
    (!found.unit.is_empty()).then_some(found.unit)
}

/// The sections that know a setting.
pub(super) fn sections_with(setting: &str) -> Vec<&'static str> {
    let found = KNOWN.get(setting).into_iter().flatten();
    found
        .filter_map(|index| SECTIONS.get(*index))
        .map(|kind| kind.section)
        .collect()
}

/// The setting of a section that was probably meant. The limit is narrow: a name that is new to this
/// table must not be taken for a misspelt one.
pub(super) fn meant(setting: &str, section: &str) -> Option<&'static str> {
    let limit = match setting.len() {
        0..=5 => 1,
        _ => 2,
    };
    let found = SECTIONS.iter().find(|kind| kind.section == section)?;
    let names = found
        .settings
        .iter()
        .flat_map(|list| list.split_ascii_whitespace());
    nearest_within(setting, names, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_their_sections() {
        assert_eq!(sections_with("ExecStart"), ["Service"]);
        assert_eq!(sections_with("StartLimitIntervalSec"), ["Unit"]);
        assert_eq!(sections_with("OnCalendar"), ["Timer"]);
        assert!(sections_with("User").contains(&"Mount"));
        assert!(sections_with("Usr").is_empty());
        assert_eq!(sections_of("target"), ["Unit", "Install"]);
        assert_eq!(sections_of("timer"), ["Unit", "Install", "Timer"]);
        assert_eq!(
            (unit_of("Timer"), unit_of("Unit"), unit_of("x")),
            (Some("timer"), None, None)
        );
    }

    #[test]
    fn misspelt_settings_are_found() {
        assert_eq!(meant("ExecStrat", "Service"), Some("ExecStart"));
        assert_eq!(meant("wantedby", "Install"), Some("WantedBy"));
        assert_eq!(meant("Enviroment", "Service"), Some("Environment"));
        assert_eq!(meant("Afer", "Unit"), Some("After"));
        assert_eq!(meant("ExecStart", "Unit"), None);
        assert_eq!(meant("SettingOfTheFuture", "Service"), None);
    }
}
