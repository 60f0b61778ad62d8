//! Which mail was sent by a machine, and must not be answered by one (RFC 3834, section 2).

use jackfield_protocol::v1::KeyValueList;

/// Why this mail must not be answered automatically; none: it may be. Reads the user data that
/// [`parse`](crate::parse) makes.
pub fn automatic(user_data: &KeyValueList) -> Option<String> {
    let header = |name: &str| user_data.text(name).map(|value| value.trim().to_ascii_lowercase());
    if let Some(value) = header("Header_Auto-Submitted")
        && !value.is_empty()
        && value.split(';').next().map(str::trim) != Some("no")
    {
        return Some(format!("it says Auto-Submitted: {value}"));
    }
    if let Some(value) = header("Header_Precedence")
        && ["bulk", "list", "junk", "auto_reply"].contains(&value.as_str())
    {
        return Some(format!("it says Precedence: {value}"));
    }
    if header("Header_Return-Path").is_some_and(|path| path.trim_matches(['<', '>', ' ']).is_empty()) {
        return Some("its return path is empty, as that of a delivery report".into());
    }
    if header("Header_List-Id").is_some_and(|list| !list.is_empty()) {
        return Some("it comes from a mailing list".into());
    }
    if let Some(value) = header("Header_X-Auto-Response-Suppress")
        && value.split(',').any(|one| ["all", "autoreply", "oof"].contains(&one.trim()))
    {
        return Some(format!("it says X-Auto-Response-Suppress: {value}"));
    }
    let from = header("FromAddress")?;
    let local = from.split('@').next().unwrap_or_default();
    let of_a_machine = ["mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply"]
        .contains(&local)
        || local.starts_with("owner-")
        || local.ends_with("-request")
        || local.ends_with("-bounces");
    of_a_machine.then(|| format!("{from} is the address of a machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, value: &str) -> Option<String> {
        automatic(&KeyValueList::default().with("FromAddress", "ann@example.com").with(key, value))
    }

    #[test]
    fn mail_of_people_may_be_answered() {
        assert_eq!(with("Subject", "hello"), None);
        assert_eq!(with("Header_Auto-Submitted", "No"), None);
        assert_eq!(with("Header_Return-Path", "<ann@example.com>"), None);
        assert_eq!(with("Header_X-Auto-Response-Suppress", "DR, RN"), None);
        assert_eq!(automatic(&KeyValueList::default()), None);
    }

    #[test]
    fn mail_of_machines_may_not_and_the_reason_names_the_sign() {
        for (key, value, sign) in [
            ("Header_Auto-Submitted", "auto-replied; owner-email=x", "Auto-Submitted"),
            ("Header_Precedence", "Bulk", "Precedence"),
            ("Header_Return-Path", "<>", "return path"),
            ("Header_List-Id", "<l.example.com>", "mailing list"),
            ("Header_X-Auto-Response-Suppress", "DR, AutoReply", "Suppress"),
        ] {
            let reason = with(key, value).unwrap_or_else(|| panic!("{key}: {value} passes"));
            assert!(reason.contains(sign), "{reason}");
        }
        for from in ["MAILER-DAEMON@x.org", "no-reply@x.org", "owner-l@x.org", "l-request@x.org"] {
            assert!(automatic(&KeyValueList::default().with("FromAddress", from)).is_some(), "{from} passes");
        }
    }
}
