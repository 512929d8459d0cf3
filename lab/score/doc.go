// Package score is the board on which the lab writes what each case gave: the
// cases, the totals with the bounds that their numbers support, the pictures of
// a long run, and the mutations that the cases must notice. It is pure: it knows
// neither the daemon nor the network.
package score
