//! Files on disk: the config itself and what it includes.

use std::fs;
use std::path::Path;

use telson::config::{Config, Loaded, QueueDrop, load};

use super::no_env;

/// A folder with the given files, and the error of loading `main.json` in it, with the folder's
/// own name taken out.
fn load_folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Loaded, String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let result = load(&folder.path().join("main.json"), &no_env);
    let prefix = format!("{}/", folder.path().display());
    (folder, result.map_err(|error| error.to_string().replace(&prefix, "")))
}

#[test]
fn a_missing_file_means_defaults_but_a_dead_link_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.json");
    let loaded = load(&path, &no_env).unwrap();
    assert_eq!((loaded.config, loaded.from_file), (Config::default(), None));
    std::os::unix::fs::symlink(folder.path().join("gone"), &path).unwrap();
    let error = load(&path, &no_env).unwrap_err().to_string();
    assert!(error.ends_with("the link leads to a file that does not exist"), "{error}");
}

#[test]
fn a_folder_a_binary_and_a_huge_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &Path| load(path, &no_env).unwrap_err().problems[0].message.clone();
    assert_eq!(message(folder.path()), "this is not a regular file");
    let path = folder.path().join("c.json");
    fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert_eq!(message(&path), "the file is not UTF-8 text");
    fs::write(&path, " ".repeat(2 * 1024 * 1024 + 1)).unwrap();
    assert_eq!(message(&path), "the file is larger than 2097152 bytes");
}

#[test]
fn includes_replace_merge_and_give_way_to_siblings() {
    let (folder, result) = load_folder(&[
        (
            "main.json",
            "{ agents: { $include: './agents.json5' },
               bindings: { $include: 'parts/bindings.json' },
               messages: { $include: ['a.json', 'b.json'], queue: { cap: 3 } } }",
        ),
        ("agents.json5", "{ entries: { $include: 'parts/entries.json' } }"),
        ("parts/entries.json", "{ one: {}, two: { $include: 'two.json' } }"),
        ("parts/two.json", "{ name: 'Two' }"),
        ("parts/bindings.json", "[{ agentId: 'one', match: { channel: 'imessage' } }]"),
        (
            "a.json",
            "{ responsePrefix: 'a', queue: { cap: 1, drop: 'old' }, groupChat: { mentionPatterns: ['a'] } }",
        ),
        (
            "b.json",
            "{ responsePrefix: 'b', queue: { cap: 2 }, groupChat: { mentionPatterns: ['b'] } }",
        ),
    ]);
    let loaded = result.unwrap();
    let config = &loaded.config;
    assert_eq!(config.agents_map()["two"].name.as_deref(), Some("Two"));
    assert_eq!(config.bindings.len(), 1);
    assert_eq!(config.messages.response_prefix.as_deref(), Some("b"));
    assert_eq!((config.messages.queue.cap, config.messages.queue.drop), (3, QueueDrop::Old));
    assert_eq!(config.messages.group_chat.mention_patterns, ["a", "b"]);
    assert_eq!(loaded.from_file, Some(folder.path().join("main.json")));
    assert_eq!(loaded.files.len(), 7);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn problems_name_the_included_file_they_are_in() {
    let (_folder, result) = load_folder(&[
        (
            "main.json",
            "{\n  session: { $include: 'parts/session.json' },\n  messages: { $include: ['a.json', 'b.json'] },\n}",
        ),
        ("parts/session.json", "{\n  mainKey: 5,\n}"),
        ("a.json", "{ groupChat: { mentionPatterns: ['ok'] } }"),
        ("b.json", "{\n groupChat: { mentionPatterns: [ 7 ] } }"),
    ]);
    assert_eq!(
        result.unwrap_err(),
        "b.json:2:34: messages.groupChat.mentionPatterns[1]: expected a string, found a number\n  help: put it in quotation marks\n\
         parts/session.json:2:12: session.mainKey: expected a string, found a number\n  help: put it in quotation marks"
    );
}

#[test]
fn includes_that_cannot_be_read_are_explained() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x.json"), "{}").unwrap();
    let absolute = outside.path().join("x.json").display().to_string();
    for (text, expected) in [
        ("{ $include: 'gone.json' }".to_owned(), "main.json:1:13: $include: the included file \"gone.json\" does not exist".to_owned()),
        ("{ $include: 5 }".to_owned(), "main.json:1:13: $include: expected a file name or a list of file names, found a number".to_owned()),
        ("{ $include: ['list.json', 5] }".to_owned(), "main.json:1:27: $include: expected a file name, found a number".to_owned()),
        ("{ $include: '' }".to_owned(), "main.json:1:13: $include: this is not a usable file name".to_owned()),
        ("{ $include: 'a\\0b' }".to_owned(), "main.json:1:13: $include: this is not a usable file name".to_owned()),
        (format!("{{ $include: '{}' }}", "x".repeat(5000)), "main.json:1:13: $include: this is not a usable file name".to_owned()),
        (format!("{{ $include: '{absolute}' }}"), format!("main.json:1:13: $include: the included file \"{absolute}\" is outside the config's folder")),
        ("{ $include: 'main.json' }".to_owned(), "main.json:1:13: $include: the included file \"main.json\" includes itself".to_owned()),
        ("{ $include: 'loop.json' }".to_owned(), "loop.json:1:18: $include: the included file \"main.json\" includes itself".to_owned()),
        ("{ $include: 'list.json', a: 1 }".to_owned(), "main.json:1:13: $include: a file included beside other keys must hold an object".to_owned()),
        ("{ $include: 'bad.json' }".to_owned(), "bad.json:1:6: expected `,` here".to_owned()),
    ] {
        let (_folder, result) = load_folder(&[
            ("main.json", &text),
            ("loop.json", "{ x: { $include: 'main.json' } }"),
            ("list.json", "[]"),
            ("bad.json", "{a:1 b:2}"),
        ]);
        assert_eq!(result.unwrap_err(), expected, "{text}");
    }
}

#[test]
fn a_link_inside_the_folder_cannot_lead_out_of_it() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x.json"), "{}").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.json");
    fs::write(&path, "{ $include: 'link.json' }").unwrap();
    std::os::unix::fs::symlink(outside.path().join("x.json"), folder.path().join("link.json"))
        .unwrap();
    let error = load(&path, &no_env).unwrap_err().to_string();
    assert!(error.ends_with("\"link.json\" is outside the config's folder"), "{error}");
}

#[test]
fn include_levels_and_numbers_are_limited() {
    let chain = |levels: usize| {
        let mut files: Vec<(String, String)> = (0..levels)
            .map(|n| (format!("{n}.json"), format!("{{ $include: '{}.json' }}", n + 1)))
            .collect();
        files[0].0 = "main.json".to_owned();
        files.push((format!("{levels}.json"), "{}".to_owned()));
        let files: Vec<_> =
            files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        load_folder(&files).1.map(|loaded| loaded.files.len())
    };
    assert_eq!(chain(10), Ok(11));
    assert_eq!(
        chain(11).unwrap_err(),
        "10.json:1:13: $include: files are included more than 10 levels deep"
    );

    let fan = |next: &str| format!("{{ $include: [{}] }}", format!("'{next}',").repeat(20));
    let (_folder, result) = load_folder(&[
        ("main.json", &fan("1.json")),
        ("1.json", &fan("2.json")),
        ("2.json", &fan("3.json")),
        ("3.json", "{}"),
    ]);
    let error = result.unwrap_err();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.ends_with("more than 256 files are included"), "{error}");
}

#[test]
fn a_relative_path_and_a_bare_name_have_a_folder_too() {
    let error = load(Path::new("tests"), &no_env).unwrap_err().to_string();
    assert_eq!(error, "tests: this is not a regular file");
    assert_eq!(load(Path::new("no-such-config.json"), &no_env).unwrap().from_file, None);
}

#[test]
fn a_key_that_is_written_twice_counts_once_and_is_told_with_both_lines() {
    let (folder, result) = load_folder(&[
        (
            "main.json",
            "{\n  messages: { queue: { cap: 3 } },\n  session: { $include: 's.json' },\n  messages: { queue: { cap: 5 } },\n}",
        ),
        ("s.json", "{ mainKey: 'one',\n  mainKey: 'two' }"),
    ]);
    let loaded = result.unwrap();
    assert_eq!(loaded.config.messages.queue.cap, 5, "the last one");
    let prefix = format!("{}/", folder.path().display());
    let told: Vec<String> = loaded.warnings.iter().map(|it| it.replace(&prefix, "")).collect();
    let expected = [
        "main.json:4:3: messages: this key is written again in line 4: what stands in line 2 does not count",
        "s.json:2:3: mainKey: this key is written again in line 2: what stands in line 1 does not count",
    ];
    assert_eq!(told.len(), 2, "{told:?}");
    for (line, wanted) in told.iter().zip(expected) {
        assert!(line.starts_with(wanted), "{line}");
    }
}
