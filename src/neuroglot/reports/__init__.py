"""Showing results: one object that gives an HTML page, JSON and text; it reads data and runs no model."""

from neuroglot.reports import sections as sections  # registers a section for each type of result
from neuroglot.reports.report import Report as Report
