"""Showing results: one object that gives an HTML page, JSON and text; it reads data and runs no model."""

from neuroglot.reports.report import Report as Report
