"""Feeders: functions that yield payloads of Cirrus, and what hands them in."""
