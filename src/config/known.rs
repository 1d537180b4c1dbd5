//! Keys that configs of this kind carry and this program does not act on yet.
//!
//! They are taken out before the config is read and named in one warning, so that an existing
//! file loads as it is, while a mistyped key still is an error.

use super::node::{Kind, Node};
use super::path::{Path, Segment};
use super::suggest::nearest;

/// Keys that may appear in every object matching one of the patterns; `*` stands for any step.
struct Group {
    /// Which objects.
    objects: &'static [&'static [&'static str]],
    /// The keys, with spaces between them.
    keys: &'static str,
}

/// The channels this program serves; all others are known and not used.
const CHANNELS: [&str; 1] = ["imessage"];

/// Keys of `channels` that are no channels.
const CHANNEL_SETTINGS: [&str; 1] = ["defaults"];

const GROUPS: &[Group] = &[
    Group {
        objects: &[&[]],
        keys: "acp approvals audio browser canvasHost cli cloudWorkers desktop \
               diagnostics discovery media memory nodeHost plugins \
               security skills talk tts ui update vault web wizard",
    },
    Group {
        objects: &[&["gateway"]],
        keys: "allowRealIpFallback channelHealthCheckMinutes channelMaxRestartsPerHour \
               channelStaleEventThresholdMinutes handshakeTimeoutMs push reload remote \
               terminal tools webchat",
    },
    Group { objects: &[&["gateway", "nodes"]], keys: "browser pluginTools skills" },
    Group { objects: &[&["gateway", "nodes", "commands"]], keys: "allow" },
    Group { objects: &[&["gateway", "tailscale"]], keys: "preserveFunnel resetOnExit serviceName" },
    Group {
        objects: &[&["gateway", "controlUi"]],
        keys: "allowExternalEmbedUrls allowInsecureAuth basePath chatMessageMaxWidth \
               dangerouslyAllowHostHeaderOriginFallback dangerouslyDisableDeviceAuth \
               embedSandbox root toolTitles",
    },
    Group { objects: &[&["gateway", "http"]], keys: "securityHeaders" },
    Group {
        objects: &[
            &["gateway", "http", "endpoints", "chatCompletions"],
            &["gateway", "http", "endpoints", "responses"],
        ],
        keys: "files maxBodyBytes maxImageParts maxTotalImageBytes maxUrlParts",
    },
    Group {
        objects: &[
            &["gateway", "http", "endpoints", "chatCompletions", "images"],
            &["gateway", "http", "endpoints", "responses", "images"],
        ],
        keys: "allowedMimes maxBytes maxRedirects timeoutMs",
    },
    Group { objects: &[&["env"]], keys: "shellEnv" },
    Group {
        objects: &[&["commands"]],
        keys: "allowFrom bash bashForegroundMs config debug mcp native nativeSkills ownerDisplay \
               ownerDisplaySecret plugins text useAccessGroups",
    },
    Group { objects: &[&["cron"]], keys: "failureDestination retry runLog store triggers webhook" },
    Group { objects: &[&["secrets"]], keys: "defaults resolution" },
    Group {
        objects: &[&["secrets", "providers", "*"]],
        keys: "allowInsecurePath allowlist args command env jsonOnly maxBytes maxOutputBytes \
               noOutputTimeoutMs passEnv timeoutMs trustedDirs",
    },
    Group {
        objects: &[&["agents", "defaults"]],
        keys: "additionalSystemPrompt blockStreamingBreak blockStreamingChunk \
               blockStreamingCoalesce blockStreamingDefault \
               bootstrapPromptTruncationWarning cliBackends \
               contextInjection contextLimits contextPruning elevatedDefault \
               embeddedPi envelopeElapsed envelopeTimestamp envelopeTimezone fastModeDefault \
               humanDelay imageGenerationModel imageMaxDimensionPx imageModel \
               mediaMaxMb params pdfMaxBytesMb pdfMaxPages \
               pdfModel reasoningDefault repoRoot runRetries runtime sandbox silentReply \
               silentReplyRewrite skills skipBootstrap skipOptionalBootstrapFiles startupContext subagents thinkingDefault timeFormat timeoutSeconds \
               tools typingIntervalSeconds typingMode utilityModel verboseDefault",
    },
    Group {
        objects: &[&["agents", "defaults", "memorySearch"]],
        keys: "cache chunking enabled experimental extraPaths fallback inputType local multimodal \
               outputDimensionality query remote sources store sync",
    },
    Group { objects: &[&["agents", "defaults", "models", "*"]], keys: "params streaming" },
    Group { objects: &[&["auth", "profiles", "*"]], keys: "displayName email" },
    Group {
        objects: &[&["auth", "cooldowns"]],
        keys: "overloadedBackoffMs overloadedProfileRotations rateLimitedProfileRotations",
    },
    Group {
        objects: &[&["agents", "entries", "*"], &["agents", "list", "*"]],
        keys: "agentDir contextInjection elevatedDefault \
               silentReply utilityModel blockStreamingBreak blockStreamingChunk blockStreamingCoalesce \
               blockStreamingDefault contextLimits description \
               fastModeDefault humanDelay memorySearch modelPolicy models params \
               reasoningDefault runtime sandbox skills skillsLimits subagents thinkingDefault \
               tts typingMode verboseDefault",
    },
    Group {
        objects: &[
            &["agents", "defaults", "compaction"],
            &["agents", "entries", "*", "compaction"],
            &["agents", "list", "*", "compaction"],
        ],
        keys: "maxActiveTranscriptBytes maxHistoryShare memoryFlush midTurnPrecheck mode notifyUser \
               postCompactionSections postIndexSync provider qualityGuard timeoutSeconds \
               truncateAfterCompaction",
    },
    Group {
        objects: &[&["models", "providers", "*", "models", "*", "cost"]],
        keys: "cacheRead cacheWrite tieredPricing",
    },
    Group {
        objects: &[
            &["agents", "defaults", "heartbeat"],
            &["agents", "entries", "*", "heartbeat"],
            &["agents", "list", "*", "heartbeat"],
        ],
        keys: "includeReasoning includeSystemPromptSection skipWhenBusy suppressToolErrorWarnings \
               timeoutSeconds",
    },
    Group {
        objects: &[&["agents", "entries", "*", "identity"], &["agents", "list", "*", "identity"]],
        keys: "avatar theme",
    },
    Group {
        objects: &[
            &["agents", "entries", "*", "groupChat"],
            &["agents", "list", "*", "groupChat"],
            &["messages", "groupChat"],
        ],
        keys: "historyLimit unmentionedInbound visibleReplies",
    },
    Group {
        objects: &[&["tools"]],
        keys: "byProvider codeMode elevated experimental github links loopDetection media sandbox \
               sessions_spawn subagents swarm toolSearch toolsBySender updatePlan",
    },
    Group {
        objects: &[&["agents", "entries", "*", "tools"], &["agents", "list", "*", "tools"]],
        keys: "byProvider codeMode elevated github loopDetection message sandbox swarm \
               toolsBySender",
    },
    Group {
        objects: &[
            &["tools", "exec"],
            &["agents", "entries", "*", "tools", "exec"],
            &["agents", "list", "*", "tools", "exec"],
        ],
        keys: "applyPatch approvalRunningNoticeMs backgroundMs cleanupMs commandHighlighting \
               grantExpiryDays node notifyOnExit notifyOnExitEmptySuccess pathPrepend reviewer \
               safeBinProfiles safeBinTrustedDirs safeBins strictInlineEval",
    },
    Group { objects: &[&["tools", "web"]], keys: "search" },
    Group {
        objects: &[&["tools", "web", "fetch"]],
        keys: "cacheTtlMinutes headers maxCharsCap provider readability useTrustedEnvProxy",
    },
    Group { objects: &[&["tools", "message"]], keys: "actions broadcast" },
    Group { objects: &[&["tools", "message", "crossContext"]], keys: "marker" },
    Group { objects: &[&["bindings", "*"]], keys: "acp" },
    Group {
        objects: &[&["session"]],
        keys: "agentToAgent idleMinutes maintenance maxRecentTurns parentForkMaxTokens reset \
               resetByChannel resetByType resetTriggers sendPolicy store threadBindings \
               transcriptRetentionDays typingIntervalSeconds typingMode writeLock",
    },
    Group {
        objects: &[&["messages"]],
        keys: "ackReaction ackReactionScope inbound messagePrefix removeAckAfterReply \
               statusReactions suppressToolErrors tts visibleReplies",
    },
    Group { objects: &[&["channels"]], keys: "modelByChannel" },
    Group {
        objects: &[&["channels", "defaults"]],
        keys: "botLoopProtection contextVisibility implicitMentions",
    },
    Group {
        objects: &[&["channels", "imessage"], &["channels", "imessage", "accounts", "*"]],
        keys: "actions attachmentRoots blockStreamingCoalesce botLoopProtection \
               capabilities catchup coalesceSameSenderDms configWrites \
               contextVisibility defaultTo dmHistoryLimit dms healthMonitor \
               historyLimit implicitMentions markdown mediaMaxMb \
               mentionPatterns probeTimeoutMs reactionNotifications remoteAttachmentRoots \
               remoteHost sendReadReceipts sendTransport streaming typingMode",
    },
    Group {
        objects: &[
            &["channels", "imessage", "groups", "*"],
            &["channels", "imessage", "accounts", "*", "groups", "*"],
        ],
        keys: "skills tools toolsBySender topics",
    },
    Group { objects: &[&["mcp", "servers", "*"]], keys: "auth oauth type" },
    Group { objects: &[&["models"]], keys: "bedrockDiscovery catalogs mode pricing proxy" },
    Group {
        objects: &[&["models", "providers", "*"]],
        keys: "auth authHeader contextTokens contextWindow injectNumCtxForOpenAICompat maxTokens \
               params region request",
    },
    Group {
        objects: &[&["models", "providers", "*", "models", "*"]],
        keys: "api baseUrl compat contextTokens headers params reasoning",
    },
    Group { objects: &[&["hooks"]], keys: "gmail internal transformsDir" },
    Group { objects: &[&["hooks", "mappings", "*"]], keys: "thinking timeoutSeconds transform" },
    Group { objects: &[&["accessGroups", "*"]], keys: "channelId guildId membership" },
    Group {
        objects: &[&["logging"]],
        keys: "consoleLevel consoleStyle file maxFileBytes redactPatterns redactSensitive",
    },
];

/// Takes the known keys out of the document; returns where they were.
pub(super) fn strip(root: &mut Node) -> Vec<Path> {
    let mut paths = Vec::new();
    find(root, &Path::default(), &mut paths);
    for path in &paths {
        root.remove(path);
    }
    paths
}

/// The known keys that may appear in the object at `path`.
pub(super) fn keys_of(path: &Path) -> impl Iterator<Item = &'static str> {
    GROUPS
        .iter()
        .filter(move |group| group.objects.iter().any(|pattern| matches(pattern, path)))
        .flat_map(|group| group.keys.split_whitespace())
}

fn find(node: &Node, path: &Path, found: &mut Vec<Path>) {
    match &node.kind {
        Kind::Table(table) => {
            let known: Vec<&str> = keys_of(path).collect();
            for (key, child) in table {
                if known.contains(&key.as_str()) || is_other_channel(path, key) {
                    found.push(path.key(key));
                } else {
                    find(child, &path.key(key), found);
                }
            }
        }
        Kind::List(list) => {
            for (index, child) in list.iter().enumerate() {
                find(child, &path.index(index), found);
            }
        }
        _ => {}
    }
}

/// Any key of `channels` may be a channel, unless it looks like one of ours mistyped.
fn is_other_channel(path: &Path, key: &str) -> bool {
    *path == Path::of(&["channels"])
        && nearest(key, CHANNELS.into_iter().chain(CHANNEL_SETTINGS)).is_none()
}

fn matches(pattern: &[&str], path: &Path) -> bool {
    let steps = path.segments();
    pattern.len() == steps.len()
        && pattern.iter().zip(steps).all(|(expected, step)| match step {
            Segment::Key(key) => *expected == "*" || expected == key,
            Segment::Index(_) => *expected == "*",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(text: &str) -> (Vec<String>, Node) {
        let mut root: Node = json5::from_str(text).unwrap();
        let paths = strip(&mut root).iter().map(Path::to_string).collect();
        (paths, root)
    }

    #[test]
    fn known_keys_are_taken_out_at_every_place_they_may_appear() {
        let (paths, rest) = stripped(
            "{gateway: {reload: 1}, channels: {telegram: {}, imessage: {enabled: true, dms: {},
              accounts: {a: {dms: {}, groups: {'*': {tools: {}, requireMention: true}}}}}},
              agents: {list: [{id: 'a', sandbox: {}}]}}",
        );
        assert_eq!(
            paths,
            [
                "agents.list[0].sandbox",
                "channels.imessage.accounts.a.dms",
                "channels.imessage.accounts.a.groups[\"*\"].tools",
                "channels.imessage.dms",
                "channels.telegram",
                "gateway.reload",
            ]
        );
        let expected = "{gateway: {}, channels: {imessage: {enabled: true,
              accounts: {a: {groups: {'*': {requireMention: true}}}}}}, agents: {list: [{id: 'a'}]}}";
        assert_eq!(rest, json5::from_str(expected).unwrap());
    }

    #[test]
    fn a_known_key_in_the_wrong_place_stays() {
        let (paths, _) = stripped("{session: {plugins: {}}, channels: {imessage: {hooks: {}}}}");
        assert!(paths.is_empty(), "{paths:?}");
    }

    #[test]
    fn a_mistyped_channel_of_ours_stays() {
        let (paths, _) = stripped("{channels: {imesage: {}, default: {}, matrix: {}}}");
        assert_eq!(paths, ["channels.matrix"]);
    }

    #[test]
    fn no_key_is_listed_twice() {
        for group in GROUPS {
            let mut keys: Vec<&str> = group.keys.split_whitespace().collect();
            let listed = keys.len();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), listed);
        }
    }
}
