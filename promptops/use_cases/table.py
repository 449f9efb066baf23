"""Every use case. A new one is an operation, a row, and its place here."""

from __future__ import annotations

from typing import Any, Final

from promptops.use_cases.approve import APPROVE
from promptops.use_cases.archive import ARCHIVE, REMOVE_CHANNEL, UNARCHIVE
from promptops.use_cases.canary import CANARY_START, CANARY_STEP
from promptops.use_cases.canary_looks import CANARY_PLAN, CANARY_STATUS, CANARY_TICK
from promptops.use_cases.captured_calls import CAPTURED
from promptops.use_cases.channels import CHANNELS, DECLARE
from promptops.use_cases.erase import ERASE
from promptops.use_cases.evidence import ADD_EVIDENCE, EVIDENCE, IMPORT_EVIDENCE, RECORD_LABELS, SHOW_EVIDENCE
from promptops.use_cases.gate import GATE, GATE_OF_CONTENT
from promptops.use_cases.journal import JOURNAL, SIGN_JOURNAL
from promptops.use_cases.models import MODEL_OUTLOOK
from promptops.use_cases.notify import DECLARE_RECEIVERS, NOTIFY, TEST_RECEIVER
from promptops.use_cases.outcome_reports import COST, OUTCOMES
from promptops.use_cases.override import CREATE_OVERRIDE, RECONCILE
from promptops.use_cases.promote import PROMOTE
from promptops.use_cases.promote_all import PROMOTE_ALL
from promptops.use_cases.quarantine import QUARANTINE, UNQUARANTINE, YANK
from promptops.use_cases.registry import APPS, CLIENTS, IDENTITY
from promptops.use_cases.release import PUBLISH
from promptops.use_cases.releases import NAMED, RELEASES
from promptops.use_cases.retire import RETIRE
from promptops.use_cases.rollback import ROLLBACK
from promptops.use_cases.runs import CLOSE_RUN, MEASURED, OPEN_RUN, REPORT_ROWS, RUN, RUNS
from promptops.use_cases.status import HISTORY, STATUS
from promptops.use_cases.tokens import CREATE_TOKEN, REVOKE_TOKEN, TOKENS
from promptops.use_cases.transfer import TRANSFER
from promptops.use_cases.use_case import UseCase
from promptops.use_cases.vanished import VANISHED
from promptops.use_cases.why import WHY

TABLE: Final[tuple[UseCase[Any, Any], ...]] = (
    PROMOTE,
    PROMOTE_ALL,
    APPROVE,
    ROLLBACK,
    RETIRE,
    CANARY_START,
    CANARY_STEP,
    CANARY_TICK,
    QUARANTINE,
    UNQUARANTINE,
    YANK,
    RECONCILE,
    PUBLISH,
    TRANSFER,
    ARCHIVE,
    UNARCHIVE,
    DECLARE,
    REMOVE_CHANNEL,
    SIGN_JOURNAL,
    DECLARE_RECEIVERS,
    TEST_RECEIVER,
    CREATE_OVERRIDE,
    ERASE,
    MEASURED,
    OPEN_RUN,
    REPORT_ROWS,
    CLOSE_RUN,
    ADD_EVIDENCE,
    IMPORT_EVIDENCE,
    RECORD_LABELS,
    EVIDENCE,
    SHOW_EVIDENCE,
    RUNS,
    RUN,
    IDENTITY,
    JOURNAL,
    STATUS,
    MODEL_OUTLOOK,
    CANARY_STATUS,
    CANARY_PLAN,
    CHANNELS,
    NOTIFY,
    HISTORY,
    OUTCOMES,
    COST,
    WHY,
    CAPTURED,
    GATE,
    GATE_OF_CONTENT,
    APPS,
    VANISHED,
    RELEASES,
    NAMED,
    CLIENTS,
    TOKENS,
    CREATE_TOKEN,
    REVOKE_TOKEN,
)
"""In the order of the HTTP reference."""
