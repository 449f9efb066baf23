"""The kinds of fact, one module each: what a fact is, how the audit log and the journal name it, and its rows.

A module holds a ``KIND`` (:class:`~promptops.store.facts.kind.FactKind`), which is found here by itself: a new kind of
fact is one new module, and its table with the migration. Everything else works with facts of any kind: the writer, git,
fsck, a rebuild.

A name says what the fact is::

    registry/<lineage>                  releases/<app>/<version>          channels/<channel>/<app>/<revision>
    policies/<channel>/<version>        confirmations/<app>/<version>/<seq>   quarantines/<channel>/<app>/<seq>
    epochs/<epoch>                      profiles/<app>/<seq>              yanks/<app>/<version>
    tokens/<id>                         revocations/<token>               bindings/<line>
    transfers/<app>/<number>            homes/<number>                      registry-keys/<number>
    approvals/<number>                  waivers/<number>
    runs/<id>                           evidence/<id>                       suites/<app>/<number>
    declarations/<app>/<number>         erasures/<number>                   rollouts/<channel>/<app>/<canary>
    canary-decisions/<channel>/<app>/<revision>
"""
