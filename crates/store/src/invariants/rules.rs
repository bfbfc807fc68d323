//! The rules, each a query for the rows that break it.
//!
//! Both databases understand every query. Each gives one text a row, `what`, which names the
//! row. Where a rule holds only while nothing is open about a server, an open discrepancy
//! explains the row away: that is what P3 promises.

mod runs;

pub(super) use self::runs::RULES as RULES_OF_RUNS;

/// A query for what breaks a promise.
pub(super) struct Rule {
    pub(super) promise: &'static str,
    pub(super) query: &'static str,
}

const fn rule(promise: &'static str, query: &'static str) -> Rule {
    Rule { promise, query }
}

/// The statuses of a live migration that is placed and has not ended.
macro_rules! placed {
    () => {
        "('queued', 'preparing', 'running', 'running (post-copy)')"
    };
}

/// The statuses of a live migration that holds slots.
macro_rules! under_way {
    () => {
        "('preparing', 'running', 'running (post-copy)')"
    };
}

/// "Nothing explains server `s`": it is on no move, and no discrepancy is open. One that waits
/// for its confirmation is at rest.
macro_rules! unexplained {
    () => {
        "NOT EXISTS (SELECT 1 FROM migrations m
                     WHERE m.instance_uuid = s.uuid AND m.ended_at IS NULL
                       AND m.status <> 'finished')
         AND NOT EXISTS (SELECT 1 FROM discrepancies d
                         WHERE d.server_uuid = s.uuid AND d.closed_at IS NULL)"
    };
}

/// "Somebody reset the state of the server of migration `m` meanwhile", which stops no move.
macro_rules! reset {
    () => {
        "EXISTS (SELECT 1 FROM instance_actions a
                 WHERE a.instance_uuid = m.instance_uuid AND a.action = 'resetState'
                   AND a.created_at >= m.created_at)"
    };
}

pub(super) const RULES: &[Rule] = &[
    // P1: at most one host executes a server.
    rule(
        "P1",
        concat!(
            "SELECT 'server ' || s.uuid || ' executes on ' || CAST(COUNT(*) AS TEXT) || ' hosts'
                 AS what
             FROM servers s
             JOIN sightings o ON o.server_uuid = s.uuid
                 AND o.sighting IN ('executing', 'moving')
             WHERE s.deleted_at IS NULL AND ",
            unexplained!(),
            " GROUP BY s.uuid HAVING COUNT(*) > 1"
        ),
    ),
    // P2: every accepted intent is carried on to its end, one at a time for each server.
    rule(
        "P2",
        "SELECT 'server ' || instance_uuid || ' has ' || CAST(COUNT(*) AS TEXT)
                || ' unfinished migrations' AS what
         FROM migrations WHERE ended_at IS NULL AND NOT imported
         GROUP BY instance_uuid HAVING COUNT(*) > 1",
    ),
    rule(
        "P2",
        "SELECT 'server ' || s.uuid || ' is ' || s.task_state || ' without a migration' AS what
         FROM servers s
         WHERE s.deleted_at IS NULL
           -- Nobody has touched what Nova left like that.
           AND (s.launch IS NULL OR s.generation > 1) AND (
             s.task_state = 'migrating' AND NOT EXISTS (
                 SELECT 1 FROM migrations m WHERE m.instance_uuid = s.uuid
                     AND m.ended_at IS NULL AND m.migration_type = 'live-migration')
             OR s.task_state IN ('resize_prep', 'resize_migrating', 'resize_migrated',
                                 'resize_finish', 'resize_reverting') AND NOT EXISTS (
                 SELECT 1 FROM migrations m WHERE m.instance_uuid = s.uuid
                     AND m.ended_at IS NULL AND m.migration_type IN ('migration', 'resize'))
             OR s.task_state IN ('rebuilding', 'rebuild_spawning') AND NOT EXISTS (
                 SELECT 1 FROM migrations m WHERE m.instance_uuid = s.uuid
                     AND m.ended_at IS NULL AND m.migration_type = 'evacuation'))",
    ),
    rule(
        "P2",
        concat!(
            "SELECT 'migration ' || m.uuid || ' is unfinished, and its server is not migrating'
                    AS what
             FROM migrations m LEFT JOIN servers s ON s.uuid = m.instance_uuid
             WHERE m.ended_at IS NULL AND NOT m.imported
               AND m.status NOT IN ('finished', 'confirming')
               AND COALESCE(s.task_state, '') NOT IN (
                   'migrating', 'resize_prep', 'resize_migrating', 'resize_migrated',
                   'resize_finish', 'resize_reverting', 'rebuilding', 'rebuild_spawning')
               AND NOT ",
            reset!()
        ),
    ),
    rule(
        "P2",
        concat!(
            "SELECT 'migration ' || m.uuid || ' is ' || m.status || ', and its server is not resized'
                    AS what
             FROM migrations m LEFT JOIN servers s ON s.uuid = m.instance_uuid
             WHERE m.ended_at IS NULL AND NOT m.imported
               AND m.status IN ('finished', 'confirming')
               AND (s.vm_state IS NULL OR s.vm_state <> 'resized' OR s.task_state IS NOT NULL
                    OR s.host IS NULL OR s.host <> m.dest_compute)
               AND NOT ",
            reset!()
        ),
    ),
    rule(
        "P2",
        "SELECT 'migration ' || m.uuid || ' has ended with effects to be performed' AS what
         FROM migrations m
         WHERE m.ended_at IS NOT NULL AND m.status <> 'done' AND EXISTS (
             SELECT 1 FROM effects e
             WHERE e.subject_kind = 'migration' AND e.subject_id = m.id AND e.done_at IS NULL)",
    ),
    rule(
        "P2",
        "SELECT 'migration ' || m.uuid || ' has lost effects: it handed out '
                || CAST(m.effect_sequence AS TEXT) AS what
         FROM migrations m
         WHERE NOT m.imported AND m.effect_sequence <> (
             SELECT COUNT(*) FROM effects e
             WHERE e.subject_kind = 'migration' AND e.subject_id = m.id
               AND e.sequence <= m.effect_sequence)",
    ),
    rule(
        "P2",
        "SELECT 'effect ' || CAST(e.id AS TEXT) || ' is of no migration' AS what
         FROM effects e
         WHERE e.subject_kind = 'migration'
           AND NOT EXISTS (SELECT 1 FROM migrations m WHERE m.id = e.subject_id)",
    ),
    rule(
        "P2",
        "SELECT 'migration ' || uuid || ' is ' || status || ' without saying why' AS what
         FROM migrations
         WHERE NOT imported AND status IN ('failed', 'cancelled', 'error')
           AND failure_code IS NULL",
    ),
    rule(
        "P2",
        "SELECT 'server ' || uuid || ' is on no host' AS what
         FROM servers
         WHERE deleted_at IS NULL AND host IS NULL
           AND vm_state IN ('active', 'paused', 'suspended', 'stopped', 'rescued', 'resized')",
    ),
    // P3: the recorded host is the observed host, or an open discrepancy says otherwise.
    rule(
        "P3",
        concat!(
            "SELECT 'server ' || s.uuid || ' is recorded on ' || COALESCE(s.host, 'no host')
                    || ' and executes on ' || o.host AS what
             FROM servers s
             JOIN sightings o ON o.server_uuid = s.uuid
                 AND o.sighting IN ('executing', 'moving')
             WHERE s.deleted_at IS NULL AND (s.host IS NULL OR s.host <> o.host) AND ",
            unexplained!()
        ),
    ),
    rule(
        "P3",
        concat!(
            "SELECT 'server ' || s.uuid || ' is recorded on ' || s.host
                    || ', which does not have it' AS what
             FROM servers s JOIN hosts h ON h.name = s.host
             WHERE s.deleted_at IS NULL AND h.last_inventory_at IS NOT NULL
               AND (s.settled_at IS NULL OR s.settled_at < h.last_inventory_at)
               AND NOT EXISTS (SELECT 1 FROM sightings o
                               WHERE o.server_uuid = s.uuid AND o.host = s.host)
               AND ",
            unexplained!()
        ),
    ),
    // P4: a failed or aborted migration leaves the server as it was, and nothing elsewhere.
    rule(
        "P4",
        concat!(
            "SELECT 'server ' || s.uuid || ' has a leftover on ' || o.host || ', which is '
                    || o.sighting AS what
             FROM servers s
             JOIN sightings o ON o.server_uuid = s.uuid
                 AND o.sighting IN ('inactive', 'incoming', 'handed_over')
             WHERE s.deleted_at IS NULL AND s.host <> o.host
               AND NOT (o.sighting = 'inactive' AND EXISTS (
                   SELECT 1 FROM migrations m
                   WHERE m.instance_uuid = s.uuid AND m.source_compute = o.host
                     AND m.status IN ('finished', 'done')))
               AND ",
            unexplained!()
        ),
    ),
    // P5: an abort has an outcome. A guest that is lost meanwhile is the one other end.
    rule(
        "P5",
        "SELECT 'migration ' || m.uuid || ' was to be aborted and is ' || m.status AS what
         FROM migrations m
         WHERE m.intent = 'abort' AND m.ended_at IS NOT NULL
           AND m.status NOT IN ('cancelled', 'completed')
           AND NOT (m.status = 'error' AND EXISTS (
               SELECT 1 FROM events e
               WHERE e.subject_kind = 'migration' AND e.subject_id = m.id
                 AND e.name = 'guest_lost'))",
    ),
    // P6: nothing leads back from post-copy.
    rule(
        "P6",
        "SELECT 'migration ' || m.uuid || ' is ' || m.status || ' after its switch to post-copy'
                AS what
         FROM migrations m
         WHERE m.status IN ('cancelled', 'failed', 'accepted', 'queued', 'preparing', 'running')
           AND EXISTS (SELECT 1 FROM events e
                       WHERE e.subject_kind = 'migration' AND e.subject_id = m.id
                         AND e.to_status = 'running (post-copy)')",
    ),
    // P9: a group with anti-affinity has no more servers under way to a host than it allows. What
    // was there before counts as well when a server is placed, but may have come by hand.
    rule(
        "P9",
        "SELECT 'server group ' || g.uuid || ' has ' || CAST(COUNT(*) AS TEXT)
                || ' servers placed on ' || m.dest_compute AS what
         FROM server_groups g
         JOIN server_group_members gm ON gm.group_id = g.id
         JOIN migrations m ON m.instance_uuid = gm.server_uuid AND m.placed_in_group = g.id
         WHERE g.policy = 'anti-affinity' AND m.ended_at IS NULL AND NOT m.imported
           AND m.storage IS NOT NULL
         GROUP BY g.id, g.uuid, g.max_server_per_host, m.dest_compute
         HAVING COUNT(*) > COALESCE(g.max_server_per_host, 1)",
    ),
    // P10: claims and slots are freed exactly once, with the end, and held until then.
    rule(
        "P10",
        "SELECT 'migration ' || m.uuid || ' has ended and holds a claim on ' || c.host AS what
         FROM claims c JOIN migrations m ON m.id = c.migration_id
         WHERE m.ended_at IS NOT NULL",
    ),
    rule(
        "P10",
        "SELECT 'migration ' || m.uuid || ' has ended and holds a ' || t.role || ' slot on '
                || t.host AS what
         FROM slots t JOIN migrations m ON m.id = t.migration_id
         WHERE m.ended_at IS NOT NULL",
    ),
    rule(
        "P10",
        concat!(
            "SELECT 'migration ' || m.uuid || ' is ' || m.status || ' without a claim on '
                    || m.dest_compute AS what
             FROM migrations m
             WHERE m.migration_type = 'live-migration' AND NOT m.imported AND m.status IN ",
            placed!(),
            " AND NOT EXISTS (SELECT 1 FROM claims c
                              WHERE c.migration_id = m.id AND c.host = m.dest_compute)"
        ),
    ),
    // A cold move's claim is at the end where its server is not recorded.
    rule(
        "P10",
        "SELECT 'migration ' || m.uuid || ' is ' || m.status || ' without a claim on '
                || m.dest_compute AS what
         FROM migrations m
         WHERE NOT m.imported AND m.storage IS NOT NULL AND m.settling IS NULL
           AND (m.migration_type IN ('migration', 'resize')
                    AND m.status IN ('pre-migrating', 'migrating')
                OR m.migration_type = 'evacuation' AND m.status = 'pre-migrating')
           AND NOT EXISTS (SELECT 1 FROM claims c
                           WHERE c.migration_id = m.id AND c.host = m.dest_compute)",
    ),
    rule(
        "P10",
        "SELECT 'migration ' || m.uuid || ' is ' || m.status || ' without a claim on '
                || m.source_compute || ' for the way back' AS what
         FROM migrations m
         WHERE NOT m.imported AND m.migration_type IN ('migration', 'resize')
           AND (m.status IN ('post-migrating', 'finished', 'confirming')
                OR m.status = 'reverting' AND m.settling IS NULL)
           AND NOT EXISTS (SELECT 1 FROM claims c
                           WHERE c.migration_id = m.id AND c.host = m.source_compute)",
    ),
    rule(
        "P10",
        concat!(
            "SELECT 'migration ' || m.uuid || ' is ' || m.status || ' without its two slots'
                    AS what
             FROM migrations m
             WHERE m.migration_type = 'live-migration' AND NOT m.imported AND m.status IN ",
            under_way!(),
            " AND 2 <> (SELECT COUNT(*) FROM slots t WHERE t.migration_id = m.id
                          AND t.host = CASE t.role WHEN 'source' THEN m.source_compute
                                                   ELSE m.dest_compute END)"
        ),
    ),
    // P11: events are gapless and in order, and end where the row is.
    rule(
        "P11",
        "SELECT 'migration ' || m.uuid || ' has gaps in its log: '
                || CAST(COUNT(e.sequence) AS TEXT) || ' of ' || CAST(m.event_sequence AS TEXT)
                AS what
         FROM migrations m
         LEFT JOIN events e ON e.subject_kind = 'migration' AND e.subject_id = m.id
         WHERE NOT m.imported
         GROUP BY m.id, m.uuid, m.event_sequence
         HAVING COUNT(e.sequence) <> m.event_sequence
             OR COALESCE(MAX(e.sequence), 0) <> m.event_sequence",
    ),
    rule(
        "P11",
        "SELECT 'migration ' || m.uuid || ' jumps in its log at event '
                || CAST(e.sequence AS TEXT) AS what
         FROM (SELECT subject_id, sequence, from_status,
                      LAG(to_status) OVER (PARTITION BY subject_id ORDER BY sequence)
                          AS previous
               FROM events WHERE subject_kind = 'migration') e
         JOIN migrations m ON m.id = e.subject_id
         WHERE e.sequence > 1 AND (e.from_status IS NULL OR e.from_status <> e.previous)",
    ),
    rule(
        "P11",
        "SELECT 'migration ' || m.uuid || ' is ' || m.status || ' and its log ends with '
                || e.to_status AS what
         FROM migrations m
         JOIN events e ON e.subject_kind = 'migration' AND e.subject_id = m.id
             AND e.sequence = m.event_sequence
         WHERE e.to_status <> m.status",
    ),
    // P11 for readers of all events: in one order, which no later event is put into.
    rule(
        "P11",
        "SELECT 'event ' || CAST(sequence AS TEXT) || ' of ' || subject_kind || ' '
                || CAST(subject_id AS TEXT) || ' comes before the one before it' AS what
         FROM (SELECT subject_kind, subject_id, sequence, position,
                      LAG(position) OVER (PARTITION BY subject_kind, subject_id
                                          ORDER BY sequence) AS previous,
                      LAG(sequence) OVER (PARTITION BY subject_kind, subject_id
                                          ORDER BY sequence) AS one_before
               FROM events) e
         WHERE e.one_before IS NOT NULL AND e.position IS NOT NULL
           AND (e.previous IS NULL OR e.previous > e.position)",
    ),
    // What was opened before anybody told of it has only its end.
    rule(
        "P11",
        "SELECT 'discrepancy ' || CAST(d.id AS TEXT) || ' is open and told to be closed' AS what
         FROM discrepancies d
         WHERE d.closed_at IS NULL
           AND EXISTS (SELECT 1 FROM events e
                       WHERE e.subject_kind = 'discrepancy' AND e.subject_id = d.id
                         AND e.name = 'closed')",
    ),
    rule(
        "P11",
        "SELECT 'event ' || CAST(e.id AS TEXT) || ' is of no host, or has a number that is not given'
                AS what
         FROM events e
         WHERE e.subject_kind = 'host'
           AND NOT EXISTS (SELECT 1 FROM host_logs l
                           WHERE l.id = e.subject_id AND l.event_sequence >= e.sequence)",
    ),
    rule(
        "P11",
        "SELECT 'the positions of events have gaps: ' || CAST(given AS TEXT) || ' lead from '
                || CAST(first AS TEXT) || ' to ' || CAST(last AS TEXT) AS what
         FROM (SELECT COUNT(position) AS given, MIN(position) AS first, MAX(position) AS last
               FROM events
               WHERE position > (SELECT COALESCE(MAX(position), 0) FROM events_expired)) e
         WHERE e.given <> e.last - e.first + 1",
    ),
    rule(
        "P11",
        "SELECT 'event ' || CAST(e.id AS TEXT) || ' is of no migration' AS what
         FROM events e
         WHERE e.subject_kind = 'migration'
           AND NOT EXISTS (SELECT 1 FROM migrations m WHERE m.id = e.subject_id)",
    ),
    // Positions are given out behind the last one.
    rule(
        "P11",
        "SELECT 'events have expired up to ' || CAST(x.position AS TEXT)
                || ', and none is left behind them' AS what
         FROM events_expired x
         WHERE x.position > 0
           AND NOT EXISTS (SELECT 1 FROM events e WHERE e.position > x.position)",
    ),
    // P12: every wait has a deadline. Two wait for an operator or for a dead host's return.
    rule(
        "P12",
        "SELECT 'migration ' || uuid || ' is ' || status || ' without a deadline' AS what
         FROM migrations
         WHERE ended_at IS NULL AND deadline IS NULL AND NOT imported
           AND status NOT IN ('finished', 'done')",
    ),
    rule(
        "P12",
        "SELECT 'migration ' || uuid || ' has ended and still has a deadline' AS what
         FROM migrations WHERE ended_at IS NOT NULL AND deadline IS NOT NULL",
    ),
    // Zones, pods and clusters nest.
    rule(
        "topology",
        "SELECT 'cluster ' || t.cluster || ' is in two places' AS what
         FROM host_topologies t
         JOIN services s ON s.host = t.host AND s.\"binary\" = 'nova-compute'
         WHERE t.cluster IS NOT NULL
         GROUP BY t.cluster
         HAVING MIN(s.zone) <> MAX(s.zone)
             OR MIN(COALESCE(t.pod, '')) <> MAX(COALESCE(t.pod, ''))",
    ),
    rule(
        "topology",
        "SELECT 'pod ' || t.pod || ' is in two zones' AS what
         FROM host_topologies t
         JOIN services s ON s.host = t.host AND s.\"binary\" = 'nova-compute'
         WHERE t.pod IS NOT NULL
         GROUP BY t.pod HAVING MIN(s.zone) <> MAX(s.zone)",
    ),
];
