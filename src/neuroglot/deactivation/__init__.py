"""Switching off the four types of Sharing Matters on the very rows that have them, and scoring the answers."""

from neuroglot.deactivation.deactivating import deactivate as deactivate
