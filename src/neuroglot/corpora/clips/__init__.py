"""Clips of sign languages with their glosses: made ones, RWTH-PHOENIX-2014, CSL, and folders of one's own."""

from neuroglot.corpora.clips.clip import Clip as Clip
from neuroglot.corpora.clips.clip import Clips as Clips
from neuroglot.corpora.clips.clip import GlossVocabulary as GlossVocabulary
from neuroglot.corpora.clips.layouts import load_clips as load_clips
from neuroglot.corpora.clips.made import MadeClips as MadeClips
from neuroglot.corpora.clips.made import make_clips as make_clips
