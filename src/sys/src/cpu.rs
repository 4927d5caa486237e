//! What the processor says of the hypervisor that it runs under.

/// The signature of the hypervisor, twelve characters; empty on bare metal and on other processors.
///
/// Hypervisors answer in CPUID leaf 0x4000_0000 (Linux Documentation/virt/kvm/x86/cpuid.rst). KVM and Xen may
/// show Hyper-V's there to please Windows, and themselves 0x100 leaves on.
pub fn hypervisor_signature() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::__cpuid;
        // Bit 31 of ECX is reserved for hypervisors to set.
        if __cpuid(1).ecx & (1 << 31) == 0 {
            return String::new();
        }
        let at = |leaf: u32| {
            let found = __cpuid(leaf);
            let bytes = [found.ebx, found.ecx, found.edx]
                .map(u32::to_le_bytes)
                .concat();
            let text = bytes
                .into_iter()
                .filter(|byte| byte.is_ascii_graphic() || *byte == b' ');
            String::from_utf8(text.collect()).unwrap_or_default()
        };
        let first = at(0x4000_0000);
        let second = at(0x4000_0100);
        match first.as_str() {
            "Microsoft Hv" if matches!(second.as_str(), "KVMKVMKVM" | "XenVMMXenVMM") => second,
            _ => first,
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    String::new()
}
