//! Who may speak to the agent: lists that contradict their policy or can never match.

use super::super::channels::DmPolicy;
use super::super::finding::Finding;
use super::super::imessage::{Imessage, ImessageAccount};
use super::super::path::Path;
use super::super::platform_id::PlatformId;
use super::super::root::Config;
use super::super::suggest::nearest;
use super::Checked;

/// Fewest digits that are taken for a phone number; chat ids and short codes have fewer.
const PHONE_DIGITS_MIN: usize = 10;

/// What an entry starts with that names a chat instead of a person.
const CHAT_PREFIXES: [&str; 3] = ["chat_id:", "chat_guid:", "chat_identifier:"];

/// Checks the iMessage accounts.
pub(super) fn check(config: &Config, checked: &mut Checked) {
    let Some(channel) = &config.channels.imessage else {
        return;
    };
    let base = Path::of(&["channels", "imessage"]);
    check_nesting(channel, &base, checked);
    check_default_account(channel, &base, checked);
    for (id, account) in config.imessage_accounts() {
        check_dm_policy(channel, &id, &account, checked);
    }
    for (path, entries) in lists(channel, &base) {
        for (index, entry) in entries.iter().enumerate() {
            check_entry(config, entry, path.index(index), checked);
        }
    }
}

fn check_nesting(channel: &Imessage, base: &Path, checked: &mut Checked) {
    for (id, account) in &channel.accounts {
        let path = base.key("accounts").key(id);
        if !account.accounts.is_empty() {
            checked.problem(Finding::new(path.key("accounts"), "an account cannot have accounts"));
        }
        if account.default_account.is_some() {
            let message = "belongs beside `accounts`, not in an account";
            checked.problem(Finding::new(path.key("defaultAccount"), message));
        }
    }
}

fn check_default_account(channel: &Imessage, base: &Path, checked: &mut Checked) {
    let Some(named) = &channel.default_account else {
        return;
    };
    let exists = channel.accounts.contains_key(named)
        || (channel.accounts.is_empty() && channel.default_account() == "default");
    if !exists {
        let near = nearest(named, channel.accounts.keys().map(String::as_str));
        let help = near.map(|near| format!("did you mean {near:?}?"));
        let message = format!("there is no account {named:?}");
        let finding = Finding::new(base.key("defaultAccount"), message).with_help_if(help);
        checked.problem(finding);
    }
}

fn check_dm_policy(channel: &Imessage, id: &str, account: &ImessageAccount, checked: &mut Checked) {
    let everybody = account.allow_from.iter().any(PlatformId::is_everybody);
    let (message, help) = match account.dm_policy {
        DmPolicy::Open if !everybody => (
            "\"open\" lets everybody in and needs \"*\" in `allowFrom` to say so",
            "add \"*\" to `allowFrom`, or use \"pairing\"",
        ),
        DmPolicy::Allowlist if account.allow_from.is_empty() => (
            "\"allowlist\" without an entry in `allowFrom` lets nobody in",
            "add an entry to `allowFrom`, or use \"disabled\" if that is meant",
        ),
        _ => return,
    };
    let own = channel.accounts.get(id).is_some_and(|own| own.dm_policy.is_some());
    let base = Path::of(&["channels", "imessage"]);
    let path = if own { base.key("accounts").key(id) } else { base };
    checked.problem(Finding::new(path.key("dmPolicy"), message).with_help(help));
}

/// Every list of senders as it was written, with whether it is for direct messages.
fn lists<'a>(channel: &'a Imessage, base: &Path) -> Vec<(Path, &'a [PlatformId])> {
    let accounts = channel.accounts.iter();
    let accounts = accounts.map(|(id, account)| (base.key("accounts").key(id), account));
    let mut lists = Vec::new();
    for (path, settings) in accounts.chain([(base.clone(), channel)]) {
        let direct = settings.allow_from.iter().map(|list| (path.key("allowFrom"), list));
        let group = settings.group_allow_from.iter().map(|list| (path.key("groupAllowFrom"), list));
        let groups = settings.groups.iter().flatten().filter_map(|(chat, group)| {
            let path = path.key("groups").key(chat).key("allowFrom");
            group.allow_from.as_ref().map(|list| (path, list))
        });
        let all = direct.chain(group).chain(groups);
        lists.extend(all.map(|(path, list)| (path, list.as_slice())));
    }
    lists
}

fn check_entry(config: &Config, entry: &PlatformId, path: Path, checked: &mut Checked) {
    let text = entry.as_str();
    let of_people = path.parent().is_some_and(|list| list.last_key() == Some("allowFrom"));
    if let Some(group) = entry.access_group() {
        if !config.access_groups.contains_key(group) {
            let near = nearest(group, config.access_groups.keys().map(String::as_str));
            let help = near.map(|near| format!("did you mean \"accessGroup:{near}\"?"));
            let message = format!("there is no access group {group:?}, so this matches nobody");
            checked.warning(Finding::new(path, message).with_help_if(help));
        }
    } else if text.len() >= PHONE_DIGITS_MIN && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("{text} looks like a phone number without its leading +");
        checked.warning(Finding::new(path, message).with_help(format!("write \"+{text}\"")));
    } else if of_people && CHAT_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        let message = format!("{text:?} is a chat, and this list is of people");
        let finding = Finding::new(path, message).with_help("put chats into `groupAllowFrom`");
        checked.warning(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, warnings};

    const OPEN: &str = "channels.imessage.dmPolicy: \"open\" lets everybody in and needs \"*\" in `allowFrom` to say so";

    #[test]
    fn open_needs_everybody_on_the_list() {
        assert_eq!(problems("{channels: {imessage: {dmPolicy: 'open'}}}"), [OPEN]);
        assert_eq!(
            problems("{channels: {imessage: {dmPolicy: 'open', allowFrom: ['+1']}}}"),
            [OPEN]
        );
        assert!(
            problems("{channels: {imessage: {dmPolicy: 'open', allowFrom: ['*']}}}").is_empty()
        );
    }

    #[test]
    fn an_allowlist_needs_an_entry() {
        for list in ["", ", allowFrom: []"] {
            let found =
                problems(&format!("{{channels: {{imessage: {{dmPolicy: 'allowlist'{list}}}}}}}"));
            assert_eq!(
                found,
                [
                    "channels.imessage.dmPolicy: \"allowlist\" without an entry in `allowFrom` lets nobody in"
                ]
            );
        }
        assert!(
            problems("{channels: {imessage: {dmPolicy: 'allowlist', allowFrom: [7]}}}").is_empty()
        );
    }

    #[test]
    fn what_counts_is_the_list_an_account_ends_up_with() {
        let inherited =
            "{channels: {imessage: {allowFrom: ['*'], accounts: {a: {dmPolicy: 'open'}}}}}";
        assert!(problems(inherited).is_empty());
        let replaced = "{channels: {imessage: {dmPolicy: 'open', allowFrom: ['*'], accounts: {a: {allowFrom: []}, b: {}}}}}";
        assert_eq!(problems(replaced), [OPEN]);
        let own = "{channels: {imessage: {accounts: {a: {dmPolicy: 'open'}}}}}";
        assert!(problems(own)[0].starts_with("channels.imessage.accounts.a.dmPolicy: "));
    }

    #[test]
    fn accounts_are_one_level_and_the_default_one_exists() {
        let found = problems(
            "{channels: {imessage: {defaultAccount: 'wrk', accounts: {work: {defaultAccount: 'a', accounts: {a: {}}}}}}}",
        );
        assert_eq!(
            found,
            [
                "channels.imessage.accounts.work.accounts: an account cannot have accounts",
                "channels.imessage.accounts.work.defaultAccount: belongs beside `accounts`, not in an account",
                "channels.imessage.defaultAccount: there is no account \"wrk\"",
            ]
        );
        assert!(problems("{channels: {imessage: {defaultAccount: 'default'}}}").is_empty());
    }

    #[test]
    fn entries_that_can_never_match_are_remarked_on() {
        let found = warnings(
            "{accessGroups: {ops: {type: 'message.senders'}}, channels: {imessage: {
              allowFrom: [+15550001111, 'chat_id:7', 'accessGroup:ops', 'accessGroup:dev', '+15550001111', 42],
              groupAllowFrom: ['chat_id:7'], groups: {'7': {allowFrom: ['chat_guid:x']}}}}}",
        );
        assert_eq!(
            found,
            [
                "channels.imessage.allowFrom[0]: 15550001111 looks like a phone number without its leading +",
                "channels.imessage.allowFrom[1]: \"chat_id:7\" is a chat, and this list is of people",
                "channels.imessage.allowFrom[3]: there is no access group \"dev\", so this matches nobody",
                "channels.imessage.groups.7.allowFrom[0]: \"chat_guid:x\" is a chat, and this list is of people",
            ]
        );
    }
}
