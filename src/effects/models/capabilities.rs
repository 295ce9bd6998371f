//! The text of file capabilities (`cap_text_formats(7)`) -> the value of `security.capability`
//! (`capabilities(7)`, revision 2; `linux/capability.h`).
//!
//! Left out: capabilities of a user namespace's root (revision 3).

/// By number.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
/// `VFS_CAP_REVISION_2`.
const REVISION: u32 = 0x0200_0000;
/// `VFS_CAP_FLAGS_EFFECTIVE`.
const EFFECTIVE: u32 = 1;

/// The attribute's value, empty where the text grants nothing; none where the text is none.
pub(super) fn of_text(text: &str) -> Option<Vec<u8>> {
    let (mut permitted, mut inheritable, mut effective) = (0_u64, 0_u64, 0_u64);
    for clause in text.split_whitespace() {
        let at = clause.find(['=', '+', '-'])?;
        let all = (1 << NAMES.len()) - 1;
        let mut named = 0;
        for name in clause[..at].split(',').filter(|name| !name.is_empty()) {
            named |= match name.strip_prefix("cap_") {
                Some(name) => 1 << NAMES.iter().position(|known| *known == name)?,
                None if name == "all" => all,
                None => return None,
            };
        }
        if at == 0 {
            named = all;
        }
        let mut operators = clause[at..].chars().peekable();
        while let Some(operator) = operators.next() {
            if operator == '=' {
                [permitted, inheritable, effective] =
                    [permitted, inheritable, effective].map(|set| set & !named);
            }
            while let Some(letter) = operators.next_if(char::is_ascii_lowercase) {
                let set = match letter {
                    'p' => &mut permitted,
                    'i' => &mut inheritable,
                    'e' => &mut effective,
                    _ => return None,
                };
                if operator == '-' {
                    *set &= !named;
                } else {
                    *set |= named;
                }
            }
        }
    }
    // The kernel has one bit for all: either each capability a program may get is in effect from the start or none.
    if effective != 0 && effective != permitted | inheritable {
        return None;
    }
    if permitted | inheritable == 0 {
        return Some(Vec::new());
    }
    let low = |set: u64| u32::try_from(set & 0xffff_ffff).unwrap_or_default();
    let high = |set: u64| u32::try_from(set >> 32).unwrap_or_default();
    let head = REVISION | if effective == 0 { 0 } else { EFFECTIVE };
    let words = [head, low(permitted), low(inheritable), high(permitted), high(inheritable)];
    Some(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_kernel_has_them() {
        // `setcap cap_net_raw+ep`, as `getfattr -e hex` shows it.
        let raw = of_text("cap_net_raw+ep").unwrap();
        assert_eq!(raw, [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(of_text("cap_net_raw=ep").unwrap(), raw);
        assert_eq!(of_text("=p cap_net_raw-p"), of_text("=p cap_net_raw-p"));
        assert_eq!(of_text("cap_bpf=p").unwrap()[12], 0x80);
        assert_eq!(of_text("cap_net_raw+i").unwrap()[8..12], [0, 0x20, 0, 0]);
        assert_eq!(of_text("cap_net_raw=p cap_net_raw-p").unwrap(), Vec::<u8>::new());
        assert_eq!(of_text("cap_nonsense+p"), None);
        assert_eq!(of_text("cap_net_raw"), None);
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read(text in "(cap_(kill|net_raw)|all|,|[=+-]|[pie]|x| ){0,8}") {
            proptest::prop_assert!(of_text(&text).is_none_or(|value| value.is_empty() || value.len() == 20));
        }
    }
}
