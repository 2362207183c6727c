// RaftCore+Members.swift — changes of the group, one member at a time (thesis §4.1, §4.2).
//
// A change counts as soon as it is in the log. The next may begin only when it is committed, and the first of a term only when the leader
// has committed an entry of that term: two lists of which neither is committed could otherwise have quorums that do not overlap (the
// correction of 2015). A new member begins as a learner and is promoted once it has everything that is committed.
import Model
import Wire

extension RaftCore {
  mutating func change(_ ticket: UInt64, _ change: MemberChange) {
    guard role == .leader, now >= handOverUntil else { return refuse(ticket) }
    guard commit >= termStart, log.lastChange <= commit else { return effects.append(.refused(ticket: ticket, .notYet)) }
    var members = log.members
    switch change {
    case .set(var member):
      member.isVoter = members.isVoter(member.id)
      guard member.id.rawValue > 0, members.member(member.id) != nil || members.all.count < RaftLimits.membersMax else {
        return effects.append(.refused(ticket: ticket, .invalid("the group has \(members.all.count) members")))
      }
      members.set(member)
    case .promote(let other):
      guard var member = members.member(other) else {
        return effects.append(.refused(ticket: ticket, .invalid("\(other) is not a member")))
      }
      guard let peer = peers[other], peer.match >= commit, now < peer.heardAt + settings.electionMin else {
        return effects.append(.refused(ticket: ticket, .notYet))
      }
      member.isVoter = true
      members.set(member)
    case .remove(let other):
      members.remove(other)
      guard !members.voters.isEmpty else {
        return effects.append(.refused(ticket: ticket, .invalid("the last voter cannot be removed")))
      }
    }
    effects.append(.accepted(ticket: ticket, first: log.last + 1, term: hard.term))
    append(CommandRecord(index: log.last + 1, term: hard.term, kind: .members, body: members.encoded()))
    meetMembers()
    spread()
  }
}
