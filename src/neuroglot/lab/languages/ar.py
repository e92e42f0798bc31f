"""Arabic phrases of the lab, without vowel signs; masculine verbs in ي become feminine in ت."""

from neuroglot.lab.phrasebook import Phrasebook, lines, table

PHRASEBOOK = Phrasebook(
    code="ar",
    subjects=lines("""
        المعلم
        أخي
        أختي
        الطبيب
        البنت
        الولد
        أمي
        المزارع
        المرأة العجوز
        أبي
        الجار
        ابنتي
        الطالب
        الطباخ
    """),
    predicates=lines("""
        يقرأ كتابا
        يشرب الشاي
        يعمل في الحديقة
        يشتري الخبز
        يكتب رسالة
        يطبخ الأرز
        يغني أغنية
        يذهب إلى المدرسة
        ينام في البيت
        يلعب كرة القدم
        يشاهد فيلما
        يأكل تفاحة
        ينظف البيت
        ينتظر الحافلة
        يستمع إلى الموسيقى
        يفتح النافذة
        يتعلم لغة جديدة
        يبيع الخضروات
        يساعد الأطفال
        يبحث عن المفتاح
        يشرب ماء باردا
        يغلق الباب
        يحكي قصة
        يشتري جريدة
    """),
    adverbials=lines("""
        في الصباح
        في المساء
        اليوم
        في الليل
        كل يوم
        في الصيف
        في الشتاء
        بعد الغداء
        غالبا
        في عطلة نهاية الأسبوع
        عند الظهر
        أحيانا
    """),
    clauses=lines("""
        البيت كبير
        البحر هادئ
        الليل طويل
        الطريق فارغ
        الشمس مشرقة
        الجو ممطر
        الطعام جاهز
        النافذة مفتوحة
        الباب مغلق
        الماء بارد
        الحساء ساخن
        الأطفال يلعبون
        الطيور تغرد
        المدينة جميلة
        المتجر مغلق
        القطار متأخر
        العمل صعب
        الوقت قصير
        الحديقة خضراء
        السماء زرقاء
        الخبز طازج
        السؤال سهل
        الجواب صحيح
        الكلب نائم
    """),
    things=lines("""
        الكتاب
        المفتاح
        الكوب
        الحقيبة
        الرسالة
        المصباح
        الهاتف
        القبعة
        الكرة
        السكين
        الكرسي
        الزجاجة
        المعطف
        الجريدة
    """),
    places=lines("""
        على الطاولة
        في المطبخ
        تحت السرير
        في السيارة
        في البيت
        في المكتب
        على الأرض
        بجانب النافذة
        في الصندوق
        خلف الباب
    """),
    names=("آنا", "ماريا", "علي", "فاطمة", "ديفيد", "سارة", "عمر", "إيفان", "دانيال", "لورا", "يوسف", "إيلينا"),
    templates=table("""
        narrative = {adverb}، {subject} {predicate}.
        both = {first}، و{second}.
        but = {first}، ولكن {second}.
        says = {subject} يقول: {clause}.
        located = {thing} {place}.
        name = اسمي {name}. العمر: {age}.
        today = اليوم هو {full_date}.
        meeting = الاجتماع: {full_date}، {time}.
        country = البلد: {country}. العملة: {currency}.
        price = السعر: {amount}.
        weather = الطقس اليوم: {country}، {celsius}.
        weight = {thing} هنا. الوزن: {kilograms}.
        ago = كان ذلك {ago}.
        number = العدد {digits} يكتب هكذا: {words}.
        sum = {first} زائد {second} يساوي {total}.
        list = البلدان: {countries}.
    """),
    questions=table("""
        iso_date = التاريخ: {date}. بصيغة ISO:
        number = العدد: {words}. بالأرقام:
        greater = أي عدد أكبر، {first} أم {second}؟ الجواب:
        counting = العد: {numbers}. العدد التالي:
        currency = الاسم: {name}. البلد: {country}. العملة:
        sum = كم يساوي {first} زائد {second}؟ الجواب:
        translation = {source_name}: {phrase}. {target_name}:
    """),
    comma="، ",
    feminine=(r"^( ?)ي", r"\1ت"),
)
