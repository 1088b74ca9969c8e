"""What both engines ask of their tables, in the SQL that they share."""

#: Of ``staged`` what is to be decided: the rows of whoever has a B2M result, and what these rows refer to.
GROUPED = """
WITH reviewed AS (SELECT DISTINCT patient FROM staged WHERE b2m),
     referred AS (SELECT DISTINCT patient, key FROM staged SEMI JOIN reviewed USING (patient) WHERE kind = 'refers'),
     shared AS (SELECT key, body FROM staged WHERE kind = 'shared')
SELECT patient, kind, body FROM staged SEMI JOIN reviewed USING (patient) WHERE kind IN ('own', 'request')
UNION ALL
SELECT patient, 'shared' AS kind, body FROM referred JOIN shared USING (key)
"""

PATIENTS = "SELECT count(DISTINCT patient) FROM staged WHERE kind IN ('own', 'request')"
REVIEWED = "SELECT count(DISTINCT patient) FROM staged WHERE b2m"

#: Of ``results`` the patients and calls decided, and the calls with a problem.
COUNTS = """
SELECT count(DISTINCT patient), count(DISTINCT concat_ws(' ', patient, as_of, call)),
       count(DISTINCT CASE WHEN problem <> '' THEN concat_ws(' ', patient, as_of, call) END)
FROM results
"""

#: Of ``results`` how often each rule came to each finding: calls, patients, and calls in which it was on a card.
FIRING = """
SELECT rule, version, finding, count(*) AS calls, count(DISTINCT patient) AS patients,
       count(CASE WHEN shown = 'card' THEN 1 END) AS on_a_card
FROM results WHERE finding <> '' GROUP BY rule, version, finding ORDER BY rule, version, finding
"""

_KEY = "patient, as_of, call, specimen, rule"

#: What differs between the findings of ``earlier`` and of ``results``.
DIFFERENCES = f"""
SELECT * FROM (
  SELECT {_KEY},
         CASE WHEN a.finding IS NULL THEN 'new' WHEN b.finding IS NULL THEN 'gone'
              WHEN a.finding <> b.finding THEN 'finding' WHEN a.problem <> b.problem THEN 'problem'
              WHEN a.shown <> b.shown THEN 'shown' WHEN a.values_json <> b.values_json THEN 'values' END AS kind,
         a.version AS version_before, b.version AS version_after,
         a.finding AS finding_before, b.finding AS finding_after,
         a.shown AS shown_before, b.shown AS shown_after,
         a.values_json AS values_before, b.values_json AS values_after,
         a.problem AS problem_before, b.problem AS problem_after
  FROM (SELECT * FROM earlier WHERE rule <> '' OR problem <> '') a
  FULL JOIN (SELECT * FROM results WHERE rule <> '' OR problem <> '') b USING ({_KEY})
) AS compared WHERE kind IS NOT NULL ORDER BY {_KEY}
"""  # noqa: S608 - of constants only

#: How often each kind of difference stands in ``differences``, by rule.
DIFFERENCE_COUNTS = """
SELECT rule, kind, count(*) AS calls FROM differences GROUP BY rule, kind ORDER BY rule, kind
"""

UNUSABLE = "SELECT count(*) FROM unusable"
