//! The binary lives in an initramfs. Packed relative relocations (DT_RELR) are 160 KB less of it; glibc
//! knows them from version 2.36 on, which is the oldest that this program is built for.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo:rerun-if-changed=build.rs");
}
