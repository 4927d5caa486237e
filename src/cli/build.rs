//! The binary lives in an initramfs. Packed relative relocations (DT_RELR) are 160 KB less of it; glibc
//! knows them from version 2.36 on, which is the oldest that this program is built for. A release build
//! aborts on panic and needs no tables for unwinding: another 550 KB.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!(
            "cargo:rustc-link-arg-bins=-Wl,-T,{}/no-unwinding.ld",
            env!("CARGO_MANIFEST_DIR")
        );
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=no-unwinding.ld");
}
