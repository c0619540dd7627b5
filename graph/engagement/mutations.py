"""Reacting, sharing and commenting; taking back, editing and deleting."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import strawberry

from db.changes import Outcome
from db.engine import Transaction
from db.errors import Problem, ProblemCode, Refused, invalid
from db.models.engagement_items import NewEngagement, body_problems
from db.models.engagement_kinds import EngagementType
from db.queries.engagement import recording, removing
from graph import ids
from graph.access import Scope, Viewer
from graph.actors import ActorInput
from graph.context import Info
from graph.engagement.inputs import (
    AddCommentInput,
    DeleteCommentInput,
    EditCommentInput,
    ReactInput,
    ShareInput,
    UnreactInput,
)
from graph.engagement.types import Comment, Reaction, Share, comment_of, reaction_of, share_of
from graph.errors import UserError, user_errors


@strawberry.type(description="What came of a reaction.")
class ReactPayload:
    """The reaction, or what is wrong."""

    reaction_id: strawberry.Private[int | None]
    created: bool = strawberry.field(description="False where the actor had already done so: nothing is counted twice.")
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")

    @strawberry.field(description="The reaction, this one or the first; null when something was wrong.")
    def reaction(self, info: Info) -> Reaction | None:
        return reaction_of(info, self.reaction_id)


@strawberry.type(description="What came of taking a reaction back.")
class UnreactPayload:
    """Whether there was one, or what is wrong."""

    removed: bool = strawberry.field(description="False where there was no such reaction.")
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")


@strawberry.type(description="What came of a share.")
class SharePayload:
    """The share, or what is wrong."""

    share_id: strawberry.Private[int | None]
    created: bool = strawberry.field(description="False where the key was known: the first share is answered.")
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")

    @strawberry.field(description="The share, this one or the first of its key; null when something was wrong.")
    def share(self, info: Info) -> Share | None:
        return share_of(info, self.share_id)


@strawberry.type(description="What came of a change to a comment.")
class CommentPayload:
    """The comment, or what is wrong."""

    comment_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")

    @strawberry.field(
        description="The comment as it is now: a tombstone if it was deleted and comments below it stand, null if it is "
        "gone or something was wrong."
    )
    def comment(self, info: Info) -> Comment | None:
        return comment_of(info, self.comment_id)


@strawberry.type
class EngagementMutation:
    """The changes of this domain."""

    @strawberry.mutation(description="Likes, saves or bookmarks a campaign. Doing it again changes nothing.")
    async def react(self, info: Info, input: ReactInput) -> ReactPayload:  # noqa: A002
        outcome = await _record(info, EngagementType(input.type.value), input)
        recorded = outcome.value or _NOTHING
        return ReactPayload(
            reaction_id=recorded.id or None,
            created=recorded.created,
            user_errors=user_errors(outcome.problems),
        )

    @strawberry.mutation(description="Takes a like, save or bookmark back. Where there is none, nothing happens.")
    async def unreact(self, info: Info, input: UnreactInput) -> UnreactPayload:  # noqa: A002
        async def work(transaction: Transaction) -> bool:
            problems: list[Problem] = []
            campaign_id = ids.checked("Campaign", input.campaign_id, problems, "campaign_id")
            actor = _actor(info.context.viewer, input.actor, problems)
            if problems or campaign_id is None or actor is None:
                raise Refused(problems)
            return await removing.take_back(transaction, campaign_id, EngagementType(input.type.value), actor)

        outcome = await info.context.change(work)
        return UnreactPayload(removed=outcome.value or False, user_errors=user_errors(outcome.problems))

    @strawberry.mutation(description="Shares a campaign. A repeated key answers the first share.")
    async def share(self, info: Info, input: ShareInput) -> SharePayload:  # noqa: A002
        outcome = await _record(info, EngagementType.SHARE, input)
        recorded = outcome.value or _NOTHING
        return SharePayload(
            share_id=recorded.id or None,
            created=recorded.created,
            user_errors=user_errors(outcome.problems),
        )

    @strawberry.mutation(
        description="Comments on a campaign, or replies to a comment on it. A repeated key answers the first comment."
    )
    async def add_comment(self, info: Info, input: AddCommentInput) -> CommentPayload:  # noqa: A002
        outcome = await _record(info, EngagementType.COMMENT, input)
        return CommentPayload(
            comment_id=(outcome.value or _NOTHING).id or None, user_errors=user_errors(outcome.problems)
        )

    @strawberry.mutation(description="Changes the text of a comment: of one's own, or with the scope write of any.")
    async def edit_comment(self, info: Info, input: EditCommentInput) -> CommentPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems = list(body_problems(input.body))
            comment_id = ids.checked("Comment", input.id, problems, "id")
            if problems or comment_id is None:
                raise Refused(problems)
            await removing.edit_comment(transaction, comment_id, input.body, _own(info.context.viewer))
            return comment_id

        outcome = await info.context.change(work)
        return CommentPayload(comment_id=outcome.value, user_errors=user_errors(outcome.problems))

    @strawberry.mutation(
        description="Deletes a comment: one's own, or with the scope write any. Its replies stay. Doing it again "
        "changes nothing."
    )
    async def delete_comment(self, info: Info, input: DeleteCommentInput) -> CommentPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            comment_id = ids.required("Comment", input.id, "id")
            await removing.delete_comment(transaction, comment_id, _own(info.context.viewer))
            return comment_id

        outcome = await info.context.change(work)
        return CommentPayload(comment_id=outcome.value, user_errors=user_errors(outcome.problems))


async def _record(
    info: Info, kind: EngagementType, given: ReactInput | ShareInput | AddCommentInput
) -> Outcome[recording.Recorded]:
    async def work(transaction: Transaction) -> recording.Recorded:
        [result] = await recording.record(transaction, [_new(info.context.viewer, kind, given)])
        if isinstance(result, Problem):
            raise Refused([result])
        return result

    return await info.context.change(work)


_NOTHING = recording.Recorded(0, created=False)
_TAKEN_OVER = ("key", "body", "source", "device_type", "location")
_ACTOR = ("user_id", "profile_id", "profile_type")


def _new(viewer: Viewer, kind: EngagementType, given: Any) -> NewEngagement:
    """The engagement that an input means. Raises Refused with all that is wrong with it."""
    now, problems = datetime.now(UTC), list[Problem]()
    campaign_id = ids.checked("Campaign", given.campaign_id, problems, "campaign_id")
    impression_id = ids.checked("Impression", given.impression_id, problems, "impression_id")
    parent_id = ids.checked("Comment", getattr(given, "parent_id", None), problems, "parent_id")
    actor = _actor(viewer, given.actor, problems)
    user_id, profile_type, profile_id = actor or ("unknown", None, None)
    item = NewEngagement(
        kind,
        campaign_id or 0,
        user_id,
        given.occurred_at or now,
        profile_id=profile_id,
        profile_type=profile_type,
        parent_id=parent_id,
        impression_id=impression_id,
        **{name: getattr(given, name, None) for name in _TAKEN_OVER},
    )
    for problem in item.problems(now):
        of_actor = problem.field[0] in _ACTOR
        problems.append(replace(problem, field=("actor", *problem.field)) if of_actor else problem)
    if problems:
        raise Refused(problems)
    return item


def _actor(viewer: Viewer, given: ActorInput | None, problems: list[Problem]) -> removing.Actor | None:
    """Who acts: whom the input names, or else the credential. Only WRITE acts for others than its own actor."""
    own = None if viewer.actor is None else (viewer.actor.user_id, viewer.actor.profile_type, viewer.actor.profile_id)
    if given is None:
        if own is None:
            problems.append(invalid("Say who acts: the credential names no actor.", "actor"))
        return own
    named = (given.user_id, given.profile_type, given.profile_id)
    if named != own and Scope.WRITE not in viewer.scopes:
        message = "The credential acts as its own actor only; leave this out."
        problems.append(Problem(ProblemCode.FORBIDDEN, message, ("actor",)))
    return named


def _own(viewer: Viewer) -> Callable[[removing.Actor], Problem | None]:
    """Who may edit and delete: the actor itself, or WRITE, which moderates."""

    def allowed(actor: removing.Actor) -> Problem | None:
        mine = viewer.actor
        if Scope.WRITE in viewer.scopes:
            return None
        if mine is not None and actor == (mine.user_id, mine.profile_type, mine.profile_id):
            return None
        return Problem(ProblemCode.FORBIDDEN, "The comment is somebody else's.", ("id",))

    return allowed
